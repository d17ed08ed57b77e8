//! Generator of nonces and masking keys, which a server must not be able to predict.

use core::fmt;

use chacha20::ChaCha12Rng;
use chacha20::rand_core::{Rng, SeedableRng};

/// A cryptographically secure generator: earlier output does not reveal later output.
//= rfc6455#section-10.3 "Clients MUST choose a new masking key for each frame, using an..."
pub(super) struct ClientRng(ChaCha12Rng);

impl ClientRng {
    /// Returns a generator with a seed of 32 random bytes from the operating system.
    //= rfc6455#section-5.3 "The masking key needs to be unpredictable; thus, the masking key..."
    pub(super) fn new(seed: [u8; 32]) -> Self {
        Self(ChaCha12Rng::from_seed(seed))
    }

    /// Returns the nonce of a `Sec-WebSocket-Key` (§4.1).
    pub(super) fn nonce(&mut self) -> [u8; 16] {
        let mut nonce = [0; 16];
        self.0.fill_bytes(&mut nonce);
        nonce
    }

    /// Returns the masking key of one frame (§5.3).
    //= rfc6455#section-5.3 "When preparing a masked frame, the client MUST pick a fresh masking..."
    pub(super) fn mask(&mut self) -> [u8; 4] {
        self.0.next_u32().to_ne_bytes()
    }
}

impl fmt::Debug for ClientRng {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientRng")
    }
}
