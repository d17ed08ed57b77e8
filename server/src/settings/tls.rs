//! TLS of a server made from its settings.

use std::time::SystemTime;

use super::raw::RawSettings;
use super::tls_table::{CERT, KEY};
use crate::tls::{TlsOptions, TlsPart, TlsServer};

const CLIENT_CA: &str = "tls.client_ca";
const TICKET_SECRET: &str = "tls.ticket_secret";

/// Returns the TLS of the server, if it has certificates. Reads their files.
pub(super) fn server(raw: &RawSettings) -> Option<TlsServer> {
    let (certificates, keys) = (raw.paths(CERT), raw.paths(KEY));
    // Wrong values are told without a certificate too.
    let requires_client_certificate = raw.choice("tls.client_auth") == "required";
    let requires_tls13 = raw.choice("tls.min_version") == "1.3";
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
        requires_client_certificate,
        ticket_secret: text(TICKET_SECRET).map(Into::into),
        requires_tls13,
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
