//! Thread that looks at the files of certificates from time to time.

use std::io;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use tracing::{info, warn};

use crate::tls::{TlsError, TlsServer};

/// The thread. Dropping this ends it.
pub(super) struct CertificateWatch {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl CertificateWatch {
    pub(super) fn start(tls: TlsServer, interval: Duration) -> io::Result<Self> {
        let (stop, stopped) = channel();
        let watch = move || {
            let mut said = None;
            while let Err(RecvTimeoutError::Timeout) = stopped.recv_timeout(interval) {
                reload(&tls, &mut said);
            }
        };
        let thread = thread::Builder::new().name("certificates".into());
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread.spawn(watch)?),
        })
    }
}

/// Reads the files of certificates again. `said` is what was wrong before.
pub(super) fn reload(tls: &TlsServer, said: &mut Option<TlsError>) {
    let result = tls.certificates().reload(SystemTime::now());
    match &result {
        Ok(true) => info!("new certificates"),
        // Said once: a file that is missing is missing each time.
        Err(error) if said.as_ref() != Some(error) => {
            warn!(%error, "new certificates cannot be used");
        }
        Ok(false) | Err(_) => {}
    }
    *said = result.err();
}

impl Drop for CertificateWatch {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // A panic was logged.
            let _ = thread.join();
        }
    }
}
