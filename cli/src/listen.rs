//! Owns which addresses a server must have to start, and which failures to accept concern only
//! the peer. Opens none: whoever calls brings that along.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

use tracing::warn;

use crate::Settings;

/// Opens every address that is to be listened on. Of the default addresses one
/// may be missing, such as that of IPv6 on a machine without it; but not because
/// somebody else has it, who would get half of the visitors.
///
/// # Errors
/// What `open` says of an address that must be there, and of which address.
pub fn open_all<L>(
    settings: &Settings,
    mut open: impl FnMut(SocketAddr) -> io::Result<L>,
) -> io::Result<Vec<L>> {
    let mut listeners = Vec::new();
    let mut failure = None;
    for &address in &settings.listen {
        match open(address) {
            Ok(listener) => listeners.push(listener),
            Err(error) => {
                let error = io::Error::new(error.kind(), format!("{address}: {error}"));
                if !settings.listen_is_default || error.kind() == ErrorKind::AddrInUse {
                    return Err(error);
                }
                warn!(%error, "not listening");
                failure = Some(error);
            }
        }
    }
    match failure {
        Some(error) if listeners.is_empty() => Err(error),
        _ => Ok(listeners),
    }
}

/// Whether a socket failed before it was accepted, which concerns nobody else.
#[must_use]
pub fn is_of_the_peer(error: &io::Error) -> bool {
    use ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_default_address_may_be_missing_but_not_taken() {
        let mut settings = Settings::parse(["stentor"], |_| None, |_| unreachable!());
        let settings = settings.as_mut().expect("the defaults");
        let [there, missing, taken] =
            [1, 2, 3].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let mut open = |address: SocketAddr| match address.port() {
            1 => Ok(()),
            2 => Err(io::Error::from(ErrorKind::AddrNotAvailable)),
            _ => Err(io::Error::from(ErrorKind::AddrInUse)),
        };
        settings.listen = vec![there, missing];
        assert_eq!(open_all(settings, &mut open).expect("one").len(), 1);
        settings.listen = vec![missing];
        assert!(open_all(settings, &mut open).is_err());
        settings.listen = vec![there, taken];
        let error = open_all(settings, &mut open).expect_err("taken");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        settings.listen_is_default = false;
        settings.listen = vec![there, missing];
        assert!(open_all(settings, &mut open).is_err());
    }
}
