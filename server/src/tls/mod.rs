//! TLS of a server: the configuration of rustls for its listeners. The machine on each connection is
//! the core's.

mod certificates;
mod identity;
mod tickets;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::server::{NoServerSessionStorage, ProducesTickets, WebPkiClientVerifier};
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion, version};
use stentor_core::proto::tls::TlsTransport;
use stentor_core::proto::transport::Transport;

pub use certificates::{CertificateStatus, Certificates};
pub use identity::ClientIdentity;
use tickets::SecretTickets;

/// What the TLS of a server is made from.
#[derive(Clone, Debug, Default)]
pub struct TlsOptions {
    /// Files in PEM: a certificate with its chain, and its key. The first pair serves clients that name
    /// no host, or one that no certificate has.
    pub pairs: Vec<(PathBuf, PathBuf)>,
    /// A file in PEM with the authorities whose certificates clients may, or must, have.
    pub client_ca: Option<PathBuf>,
    /// Whether clients must have one.
    pub requires_client_certificate: bool,
    /// The secret from which the keys of session tickets are derived: servers with the same one
    /// resume the sessions of one another. Without, each process has keys of its own.
    pub ticket_secret: Option<Vec<u8>>,
    /// Whether TLS 1.2 is refused.
    pub requires_tls13: bool,
}

/// The TLS of a server.
#[derive(Clone)]
pub struct TlsServer {
    config: Arc<ServerConfig>,
    certificates: Arc<Certificates>,
}

/// Why a server has no TLS.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TlsError {
    /// The part of the options that is wrong.
    pub part: TlsPart,
    /// What is wrong, as the rest of a sentence about it.
    pub problem: String,
}

/// A part of [`TlsOptions`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TlsPart {
    /// A certificate.
    Certificate,
    /// A key.
    Key,
    /// The authorities of clients.
    ClientCa,
    /// The secret of tickets.
    TicketSecret,
}

impl TlsServer {
    /// Reads the files. `now` is the time at which the certificates must be valid.
    ///
    /// # Errors
    /// Returns an error if a file cannot be read, a certificate and its key do not belong together, or
    /// a certificate is not valid now.
    pub fn new(options: &TlsOptions, now: SystemTime) -> Result<Self, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let certificates = Certificates::load(&options.pairs, &provider, now)?;
        let certificates = Arc::new(certificates);
        let versions: &[&SupportedProtocolVersion] = match options.requires_tls13 {
            true => &[&version::TLS13],
            false => &[&version::TLS13, &version::TLS12],
        };
        let builder = ServerConfig::builder_with_provider(provider.clone());
        let builder = builder
            .with_protocol_versions(versions)
            .expect("the provider has suites for them");
        let builder = match client_verifier(options, &provider)? {
            Some(verifier) => builder.with_client_cert_verifier(verifier),
            None => builder.with_no_client_auth(),
        };
        let mut config = builder.with_cert_resolver(certificates.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Sessions are in the tickets: nothing is kept for those who do not come back.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        // The strongest suites come first, whatever a client prefers.
        config.ignore_client_order = true;
        config.ticketer = ticketer(options)?;
        Ok(Self {
            config: Arc::new(config),
            certificates,
        })
    }

    /// Returns the transport of a new connection.
    ///
    /// # Panics
    /// If rustls does not take the configuration, which it was built by.
    #[must_use]
    pub fn transport(&self) -> Box<dyn Transport> {
        let transport = TlsTransport::new(self.config.clone());
        Box::new(transport.expect("a configuration that was built"))
    }

    /// Returns the certificates.
    #[must_use]
    pub const fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }
}

impl fmt::Debug for TlsServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsServer")
            .field("certificates", &self.certificates)
            .finish_non_exhaustive()
    }
}

impl TlsError {
    fn new(part: TlsPart, problem: impl Into<String>) -> Self {
        let problem = problem.into();
        Self { part, problem }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = match self.part {
            TlsPart::Certificate => "the certificate",
            TlsPart::Key => "the key",
            TlsPart::ClientCa => "the list of authorities of clients",
            TlsPart::TicketSecret => "the secret of tickets",
        };
        write!(f, "{part} {}", self.problem)
    }
}

impl std::error::Error for TlsError {}

type ClientVerifier = Arc<dyn rustls::server::danger::ClientCertVerifier>;

fn client_verifier(
    options: &TlsOptions,
    provider: &Arc<CryptoProvider>,
) -> Result<Option<ClientVerifier>, TlsError> {
    let Some(path) = &options.client_ca else {
        return Ok(None);
    };
    let name = path.display();
    let bad = |problem| TlsError::new(TlsPart::ClientCa, problem);
    let mut roots = RootCertStore::empty();
    let read = CertificateDer::pem_file_iter(path);
    for certificate in read.map_err(|error| bad(format!("cannot be read: {name}: {error}")))? {
        let added = certificate.map(|certificate| roots.add(certificate));
        if !matches!(added, Ok(Ok(()))) {
            return Err(bad(format!("has something that is no certificate: {name}")));
        }
    }
    if roots.is_empty() {
        return Err(bad(format!("has no certificates: {name}")));
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider.clone());
    let builder = match options.requires_client_certificate {
        true => builder,
        false => builder.allow_unauthenticated(),
    };
    let built = builder.build();
    built
        .map(Some)
        .map_err(|error| bad(format!("cannot be used: {name}: {error}")))
}

fn ticketer(options: &TlsOptions) -> Result<Arc<dyn ProducesTickets>, TlsError> {
    let bad = |problem: &str| TlsError::new(TlsPart::TicketSecret, problem);
    match &options.ticket_secret {
        None => aws_lc_rs::Ticketer::new().map_err(|_| bad("cannot be made")),
        Some(secret) if secret.len() < MIN_TICKET_SECRET => {
            Err(bad("has to be 32 bytes or longer"))
        }
        Some(secret) => Ok(Arc::new(SecretTickets::new(secret))),
    }
}

/// The least length of the secret of tickets, in bytes.
const MIN_TICKET_SECRET: usize = 32;
