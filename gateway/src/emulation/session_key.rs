//! Secrets that name a session, for requests that bring commands of it.

use alloc::format;
use alloc::string::String;
use core::fmt::{self, Debug, Formatter};

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use stentor_core::ConnId;

/// The bytes of a secret that are not the name of the connection.
const LEN: usize = 16;

/// What the secrets of all sessions of a server are made of. A secret says which connection it is of,
/// so that it needs no table, and has 128 bits that nobody has who does not have the key.
#[derive(Clone)]
pub struct SessionKey(Hmac<Sha256>);

impl SessionKey {
    /// Returns a key of random bytes, which are of no other use.
    ///
    /// # Panics
    /// Never: a key may have any length.
    pub fn new(random: [u8; 32]) -> Self {
        Self(Hmac::new_from_slice(&random).expect("any length"))
    }

    /// Returns the secret of a connection.
    pub(crate) fn secret(&self, conn: ConnId) -> String {
        let mac = self.mac(conn).finalize().into_bytes();
        format!("{conn}:{}", HEXLOWER.encode(&mac[..LEN]))
    }

    /// Returns the connection that a secret is of. Whether it is still there is not checked. What is
    /// compared takes a time that does not depend on it.
    pub(crate) fn connection(&self, secret: &str) -> Option<ConnId> {
        let (conn, mac) = secret.rsplit_once(':')?;
        let conn = conn.parse().ok()?;
        let mac = HEXLOWER.decode(mac.as_bytes()).ok()?;
        let is_whole = mac.len() == LEN;
        let checked = self.mac(conn).verify_truncated_left(&mac);
        (is_whole && checked.is_ok()).then_some(conn)
    }

    fn mac(&self, conn: ConnId) -> Hmac<Sha256> {
        self.0.clone().chain_update(format!("{conn}").as_bytes())
    }
}

impl Debug for SessionKey {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_of_one_connection_and_one_key() {
        let key = SessionKey::new([7; 32]);
        let conn: ConnId = "3.17#2".parse().expect("a name");
        let secret = key.secret(conn);
        assert_eq!(secret.len(), "3.17#2:".len() + 2 * LEN);
        assert_eq!(key.connection(&secret), Some(conn));
        assert_eq!(SessionKey::new([8; 32]).connection(&secret), None);
        let other = key.secret("3.17#3".parse().expect("a name"));
        assert_ne!(other, secret.replace("#2", "#3"));
        for wrong in [
            "",
            ":",
            "3.17#2",
            "3.17#2:",
            &secret[..secret.len() - 2],
            &format!("{secret}00"),
            &secret.to_uppercase(),
            &secret.replace("#2", "#3"),
            &secret.replace("3.", "2."),
            &format!(" {secret}"),
        ] {
            assert_eq!(key.connection(wrong), None, "{wrong}");
        }
    }
}
