//! Session tickets whose keys are derived from a secret, so that servers which share it resume the
//! sessions of one another, also after a restart (RFC 8446 §4.6.1, RFC 5077 §4).

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use rustls::server::ProducesTickets;

/// Seals sessions with a key for each period.
pub(super) struct SecretTickets {
    secret: hmac::Key,
    now: fn() -> SystemTime,
}

impl SecretTickets {
    pub(super) fn new(secret: &[u8]) -> Self {
        Self {
            secret: hmac::Key::new(hmac::HMAC_SHA256, secret),
            now: SystemTime::now,
        }
    }

    /// Returns the number of the current period.
    fn period(&self) -> u64 {
        let since = (self.now)().duration_since(UNIX_EPOCH).unwrap_or_default();
        since.as_secs() / PERIOD.as_secs()
    }

    fn key(&self, period: u64) -> Option<LessSafeKey> {
        let mut context = hmac::Context::with_key(&self.secret);
        context.update(LABEL);
        context.update(&period.to_be_bytes());
        let key = UnboundKey::new(&AES_256_GCM, context.sign().as_ref()).ok()?;
        Some(LessSafeKey::new(key))
    }
}

impl ProducesTickets for SecretTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        PERIOD.as_secs() as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let period = self.period();
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = plain.to_vec();
        let aad = Aad::from(period.to_be_bytes());
        let key = self.key(period)?;
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .ok()?;
        Some([&period.to_be_bytes()[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (period, rest) = ticket.split_first_chunk()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let of = u64::from_be_bytes(*period);
        // Clocks of servers differ, and a ticket may be a period old.
        if of.abs_diff(self.period()) > 1 {
            return None;
        }
        let mut plain = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let len = self
            .key(of)?
            .open_in_place(nonce, Aad::from(*period), &mut plain)
            .ok()?
            .len();
        plain.truncate(len);
        Some(plain)
    }
}

impl fmt::Debug for SecretTickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretTickets")
    }
}

/// How long a key seals. Its tickets are taken for one more period.
const PERIOD: Duration = Duration::from_secs(6 * 60 * 60);

const LABEL: &[u8] = b"stentor tls ticket";

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secret: &[u8], now: fn() -> SystemTime) -> SecretTickets {
        SecretTickets {
            now,
            ..SecretTickets::new(secret)
        }
    }

    #[test]
    fn servers_of_one_secret_take_tickets_of_one_another_for_two_periods() {
        let secret = [7; 32];
        let ticket = at(&secret, || UNIX_EPOCH + 10 * PERIOD).encrypt(b"session");
        let ticket = ticket.expect("sealed");
        let open = |now| at(&secret, now).decrypt(&ticket);
        assert_eq!(
            open(|| UNIX_EPOCH + 10 * PERIOD).as_deref(),
            Some(&b"session"[..])
        );
        assert!(open(|| UNIX_EPOCH + 9 * PERIOD).is_some());
        assert!(open(|| UNIX_EPOCH + 11 * PERIOD).is_some());
        assert!(open(|| UNIX_EPOCH + 12 * PERIOD).is_none());
        assert!(open(|| UNIX_EPOCH + 8 * PERIOD).is_none());
    }

    #[test]
    fn tickets_of_others_and_changed_ones_are_not_taken() {
        let tickets = SecretTickets::new(&[7; 32]);
        let ticket = tickets.encrypt(b"session").expect("sealed");
        assert!(SecretTickets::new(&[8; 32]).decrypt(&ticket).is_none());
        for at in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[at] ^= 1;
            assert!(tickets.decrypt(&changed).is_none(), "{at}");
            assert!(tickets.decrypt(&ticket[..at]).is_none(), "{at}");
        }
        assert_ne!(tickets.encrypt(b"session"), tickets.encrypt(b"session"));
    }
}
