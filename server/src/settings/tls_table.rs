//! Declarations of the settings of TLS.

use stentor_core::config::Unit;

use super::declaration::FlagKind::{Choice, File, Number, Paths, Secret, Text};
use super::declaration::{Declaration, millis};
use super::value::Bounds;

pub(super) const CERT: &str = "tls.cert";
pub(super) const KEY: &str = "tls.key";
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
