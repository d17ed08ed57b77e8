//! Owns the drawing of what a server must not foresee: nonces and masking keys.

use core::fmt;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// A generator whose output so far tells nothing of what comes next.
//= rfc6455#section-10.3 "Clients MUST choose a new masking key for each frame, using an..."
pub(super) struct Keys(ChaCha12Rng);

impl Keys {
    /// From 32 bytes of the operating system's random numbers.
    //= rfc6455#section-5.3 "The masking key needs to be unpredictable; thus, the masking key..."
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// What the value of `Sec-WebSocket-Key` is made of (§4.1).
    pub(super) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.0.fill_bytes(&mut nonce);
        nonce
    }

    /// The masking key of one frame (§5.3).
    //= rfc6455#section-5.3 "When preparing a masked frame, the client MUST pick a fresh masking..."
    pub(super) fn mask(&mut self) -> [u8; 4] {
        self.0.next_u32().to_ne_bytes()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}
