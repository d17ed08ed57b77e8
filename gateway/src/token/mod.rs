//! JSON Web Tokens that say who a client is, and what it may subscribe to.
//!
//! Verification and signing are pure: the time is an argument, in seconds of Unix time. Sources:
//! RFC 7515 (JWS, compact serialization), RFC 7518 (algorithms), RFC 7519 (claims), and the claims of
//! the Centrifugo protocol.
//!
//! | file | owns |
//! |---|---|
//! | `algorithm` | names of algorithms; what a key has to do |
//! | `hmac_key` | HS256, HS384 and HS512 |
//! | `key_set` | the keys of a verifier; public keys come from outside, as a [`VerificationKey`] |
//! | `claims` | what a token says, as JSON |
//! | `verifier` | order of the checks, key rotation, audience and issuer |
//! | `error` | reasons to refuse a token, and the answer to the client |
//! | `builder` | new tokens |
//!
//! ```
//! use stentor_gateway::token::{Algorithm, HmacKey, TokenBuilder, TokenError, Verifier};
//!
//! let key = || HmacKey::new(b"secret").ok_or("no secret");
//! let token = TokenBuilder::new()
//!     .user("42")
//!     .expires_at(1_600_000_060)
//!     .sign(&key()?, Algorithm::Hs256)?;
//!
//! let verifier = Verifier::new(key()?);
//! let mut buffer = Vec::new();
//! let claims = verifier.verify_connection(&token, 1_600_000_000, &mut buffer)?;
//! assert_eq!(claims.user, "42");
//! let late = verifier.verify_connection(&token, 1_600_000_060, &mut buffer);
//! assert_eq!(late, Err(TokenError::Expired));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod algorithm;
mod builder;
mod claims;
mod error;
mod hmac_key;
mod key_set;
mod verifier;

pub use algorithm::{Algorithm, SignatureCheck, SigningKey, TokenHeader, VerificationKey};
pub use builder::{SignError, TokenBuilder};
pub use claims::{ConnectionClaims, Overrides, ServerSubscription, SubscriptionClaims};
pub use error::{Rejection, TokenError, TokenUse};
pub use hmac_key::HmacKey;
pub use key_set::KeySet;
pub use verifier::{InvalidPattern, Subscriber, Verifier};
