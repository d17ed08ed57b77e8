//! Settings of TLS: their declarations, and the server's TLS made from them.

#[cfg(feature = "tls")]
use std::time::SystemTime;

use stentor_core::config::Unit;

use super::declaration::FlagKind::{Choice, File, Number, Paths, Secret, Text};
use super::declaration::{Declaration, millis};
#[cfg(feature = "tls")]
use super::raw::RawSettings;
use super::value::Bounds;
#[cfg(feature = "tls")]
use crate::tls::{TlsOptions, TlsPart, TlsServer};

const CERT: &str = "tls.cert";
const KEY: &str = "tls.key";
#[cfg(feature = "tls")]
const CLIENT_CA: &str = "tls.client_ca";
#[cfg(feature = "tls")]
const TICKET_SECRET: &str = "tls.ticket_secret";
pub(super) const RELOAD_INTERVAL: &str = "tls.reload_interval";

pub(super) const DECLARATIONS: &[Declaration] = &[
    Declaration::new(
        CERT,
        Paths,
        "File in PEM with a certificate and its chain; repeatable, with a `tls.key` each: the host \
         that a client names chooses, and the first one serves all others. All listeners but those of \
         the admin pages then speak TLS. Changed files serve new connections without a restart",
    )
    .short("tls-cert")
    .default("no TLS"),
    Declaration::new(
        KEY,
        Paths,
        "File in PEM with the key of a certificate; as many as `tls.cert`, in the same order",
    )
    .short("tls-key"),
    Declaration::new(
        "tls.min_version",
        Choice(&["1.2", "1.3"], "1.2"),
        "The oldest version of TLS that is spoken",
    ),
    Declaration::new(
        "tls.client_ca",
        Text(""),
        "File in PEM with the authorities whose certificates clients may have",
    ),
    Declaration::new(
        "tls.client_auth",
        Choice(&["required", "optional"], "required"),
        "Whether clients must have a certificate of `tls.client_ca`",
    ),
    Declaration::new(
        "tls.ticket_secret",
        Secret,
        "Secret of 32 bytes or more from which the keys of session tickets are derived: servers with \
         the same one resume the sessions of one another, also after a restart",
    )
    .default("keys of the process"),
    Declaration::new(
        "tls.ticket_secret_file",
        File,
        "File with the value of `tls.ticket_secret`",
    ),
    Declaration::new(
        RELOAD_INTERVAL,
        Number {
            bounds: Bounds::new(Unit::Milliseconds, 100, 10_000, 86_400_000),
            get: |settings| Some(millis(settings.tls_reload_interval)),
        },
        "How often the files of certificates and keys are looked at",
    ),
];

/// Returns the TLS of the server, if it has certificates. Reads their files.
#[cfg(feature = "tls")]
pub(super) fn server(raw: &RawSettings) -> Option<TlsServer> {
    let (certificates, keys) = (raw.paths(CERT), raw.paths(KEY));
    if certificates.len() != keys.len() {
        let problem = format!("must be given as often as `{KEY}`");
        raw.report_problem(CERT, problem);
        return None;
    }
    if certificates.is_empty() {
        for key in [CLIENT_CA, TICKET_SECRET] {
            if raw.text(key).is_some_and(|text| !text.is_empty()) {
                raw.report_problem(key, format!("needs `{CERT}`"));
            }
        }
        return None;
    }
    let text = |key| raw.text(key).filter(|text| !text.is_empty());
    let options = TlsOptions {
        pairs: certificates.into_iter().zip(keys).collect(),
        client_ca: text(CLIENT_CA).map(Into::into),
        requires_client_certificate: raw.choice("tls.client_auth") == "required",
        ticket_secret: text(TICKET_SECRET).map(Into::into),
        requires_tls13: raw.choice("tls.min_version") == "1.3",
    };
    let server = TlsServer::new(&options, SystemTime::now());
    server
        .map_err(|error| {
            let key = match error.part {
                TlsPart::Certificate => CERT,
                TlsPart::Key => KEY,
                TlsPart::ClientCa => CLIENT_CA,
                TlsPart::TicketSecret => TICKET_SECRET,
            };
            raw.report_problem(key, error.problem);
        })
        .ok()
}
