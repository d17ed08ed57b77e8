//! Certificates and keys of a server, by the names of hosts, and their replacement while it runs.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::SystemTime;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::{TlsError, TlsPart};

/// The certificates of a server.
#[derive(Debug)]
pub struct Certificates {
    pairs: Vec<(PathBuf, PathBuf)>,
    provider: Arc<CryptoProvider>,
    current: RwLock<Arc<Loaded>>,
    /// What the files had when they were read last.
    read: Mutex<Vec<PairText>>,
    reloads: AtomicU64,
    failures: AtomicU64,
}

/// What is known of the certificates.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CertificateStatus {
    /// The time at which the first of them expires, in seconds since the Unix epoch.
    pub expires: i64,
    /// How often they were replaced.
    pub reloads: u64,
    /// How often new files could not be used.
    pub failures: u64,
}

#[derive(Debug)]
struct Loaded {
    first: Arc<CertifiedKey>,
    /// By lower-case name; a name that begins with `*.` stands for any first label.
    by_name: HashMap<String, Arc<CertifiedKey>>,
    expires: i64,
}

/// The content of the files of a pair.
#[derive(Clone, PartialEq, Eq, Debug)]
struct PairText {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Certificates {
    pub(super) fn load(
        pairs: &[(PathBuf, PathBuf)],
        provider: &Arc<CryptoProvider>,
        now: SystemTime,
    ) -> Result<Self, TlsError> {
        let texts = read(pairs)?;
        let loaded = Loaded::new(pairs, &texts, provider, now)?;
        Ok(Self {
            pairs: pairs.to_vec(),
            provider: provider.clone(),
            current: RwLock::new(Arc::new(loaded)),
            read: Mutex::new(texts),
            reloads: AtomicU64::new(0),
            failures: AtomicU64::new(0),
        })
    }

    /// Reads the files again. If they have changed, new connections get what they have now; returns
    /// whether they do. What is wrong with changed files is returned once.
    ///
    /// # Errors
    /// Returns an error if the files have changed and cannot be used. The certificates stay as they
    /// were.
    pub fn reload(&self, now: SystemTime) -> Result<bool, TlsError> {
        let mut before = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        // A file may be missing while it is replaced.
        let texts = read(&self.pairs)?;
        if *before == texts {
            return Ok(false);
        }
        let loaded = Loaded::new(&self.pairs, &texts, &self.provider, now);
        *before = texts;
        match loaded {
            Ok(loaded) => {
                let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
                *current = Arc::new(loaded);
                self.reloads.fetch_add(1, Ordering::Relaxed);
                Ok(true)
            }
            Err(error) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
                Err(error)
            }
        }
    }

    /// Returns what is known of them.
    pub fn status(&self) -> CertificateStatus {
        CertificateStatus {
            expires: self.current().expires,
            reloads: self.reloads.load(Ordering::Relaxed),
            failures: self.failures.load(Ordering::Relaxed),
        }
    }

    fn current(&self) -> Arc<Loaded> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        current.clone()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current().of(hello.server_name()))
    }
}

impl Loaded {
    fn new(
        pairs: &[(PathBuf, PathBuf)],
        texts: &[PairText],
        provider: &CryptoProvider,
        now: SystemTime,
    ) -> Result<Self, TlsError> {
        let now = now.duration_since(SystemTime::UNIX_EPOCH);
        let now = now.map_or(0, |now| now.as_secs() as i64);
        let mut first = None;
        let mut by_name = HashMap::new();
        let mut expires = i64::MAX;
        for (paths, text) in pairs.iter().zip(texts) {
            let (pair, end, names) = load_pair(paths, text, provider, now)?;
            let pair = Arc::new(pair);
            first.get_or_insert_with(|| pair.clone());
            for name in names {
                by_name.entry(name).or_insert_with(|| pair.clone());
            }
            expires = expires.min(end);
        }
        let none = || TlsError::new(TlsPart::Certificate, "is missing");
        Ok(Self {
            first: first.ok_or_else(none)?,
            by_name,
            expires,
        })
    }

    /// Returns the certificate for a host.
    fn of(&self, name: Option<&str>) -> Arc<CertifiedKey> {
        let of_name = name.and_then(|name| {
            let name = name.to_ascii_lowercase();
            let any = || {
                let (_, parent) = name.split_once('.')?;
                self.by_name.get(&format!("*.{parent}"))
            };
            self.by_name.get(&name).or_else(any)
        });
        of_name.unwrap_or(&self.first).clone()
    }
}

fn read(pairs: &[(PathBuf, PathBuf)]) -> Result<Vec<PairText>, TlsError> {
    let read = |part, path: &Path| {
        fs::read(path).map_err(|error| {
            let problem = format!("cannot be read: {}: {error}", path.display());
            TlsError::new(part, problem)
        })
    };
    let pairs = pairs.iter().map(|(certificate, key)| {
        Ok(PairText {
            certificate: read(TlsPart::Certificate, certificate)?,
            key: read(TlsPart::Key, key)?,
        })
    });
    pairs.collect()
}

/// Returns a certificate with its key, the second at which it expires, and its names.
fn load_pair(
    (path, key_path): &(PathBuf, PathBuf),
    text: &PairText,
    provider: &CryptoProvider,
    now: i64,
) -> Result<(CertifiedKey, i64, Vec<String>), TlsError> {
    let (name, key_name) = (path.display(), key_path.display());
    let bad = |problem: String| TlsError::new(TlsPart::Certificate, problem);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text.certificate).collect();
    let chain = chain.map_err(|error| bad(format!("is not PEM: {name}: {error}")))?;
    let Some(end_entity) = chain.first() else {
        return Err(bad(format!("is not in the file: {name}")));
    };
    let (_, parsed) = X509Certificate::from_der(end_entity)
        .map_err(|_| bad(format!("is not of X.509: {name}")))?;
    let validity = parsed.validity();
    let (begin, end) = (
        validity.not_before.timestamp(),
        validity.not_after.timestamp(),
    );
    if now < begin {
        return Err(bad(format!("is not valid yet: {name}")));
    }
    if now > end {
        return Err(bad(format!("has expired: {name}")));
    }
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.map(|names| names.value.general_names.iter());
    let names = names.into_iter().flatten().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        _ => None,
    });
    let names = names.collect();
    let key = PrivateKeyDer::from_pem_slice(&text.key).map_err(|error| {
        let problem = format!("is not PEM: {key_name}: {error}");
        TlsError::new(TlsPart::Key, problem)
    })?;
    let pair = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => {
            let problem = format!("does not belong to the certificate {name}: {key_name}");
            TlsError::new(TlsPart::Key, problem)
        }
        error => TlsError::new(TlsPart::Key, format!("cannot be used: {key_name}: {error}")),
    })?;
    Ok((pair, end, names))
}
