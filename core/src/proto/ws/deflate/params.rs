//! Negotiation of permessage-deflate (RFC 7692 §7.1): parsing and writing of offers and responses.

use alloc::vec::Vec;
use core::ops::RangeInclusive;

use crate::proto::ws::deflate::{DEFLATER_BYTES, INFLATER_BYTES};
use crate::proto::ws::upgrade::extension::Extension;

/// The parameters of an offer, or of the response to one.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Params {
    /// Whether the server compresses each message without a context (§7.1.1.1).
    pub server_no_context_takeover: bool,
    /// Whether the client compresses each message without a context (§7.1.1.2).
    pub client_no_context_takeover: bool,
    /// The window of the server's compressor, 8 to 15 bits (§7.1.2.1).
    pub server_max_window_bits: Option<u8>,
    /// The window of the client's compressor, 8 to 15 bits (§7.1.2.2). In an offer it allows the
    /// server to limit the window; 15 then stands for no value.
    pub client_max_window_bits: Option<u8>,
}

/// The agreed parameters of one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Side {
    /// The window of the compressor, 8 to 15 bits.
    pub window_bits: u8,
    /// Whether a message may refer to previous ones.
    pub takeover: bool,
}

/// The parameters that a server accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// The largest window on either side, 9 to 15 bits.
    pub window_bits: u8,
    /// Whether there is memory for contexts.
    pub contexts: bool,
}

impl Params {
    /// Returns the agreed parameters of the server's messages.
    pub fn server(&self) -> Side {
        Side {
            window_bits: self.server_max_window_bits.unwrap_or(MAX_BITS),
            takeover: !self.server_no_context_takeover,
        }
    }

    /// Returns the agreed parameters of the client's messages.
    pub fn client(&self) -> Side {
        Side {
            window_bits: self.client_max_window_bits.unwrap_or(MAX_BITS),
            takeover: !self.client_no_context_takeover,
        }
    }

    /// Returns the bytes of memory of the contexts that a response allows.
    pub(crate) fn context_bytes(&self) -> usize {
        let bytes = |takeover, bytes| if takeover { bytes } else { 0 };
        bytes(self.server().takeover, DEFLATER_BYTES)
            + bytes(self.client().takeover, INFLATER_BYTES)
    }

    /// Parses an offer; `None` if it is for another extension, or must be declined.
    //= rfc7692#section-7 "A server MUST decline an extension negotiation offer for this..."
    pub fn parse_offer(offer: &Extension<'_>) -> Option<Self> {
        Self::parse(offer, Some(MAX_BITS))
    }

    /// Parses the response to this offer and returns the agreed parameters; `None` if it does not
    /// match the offer, which fails the connection.
    //= rfc7692#section-7 "A client MUST _Fail the WebSocket Connection_ if the peer server..."
    pub fn parse_answer(&self, answer: &Extension<'_>) -> Option<Self> {
        let answer = Self::parse(answer, None)?;
        // The server may use a smaller window than offered, or any window if none was offered.
        let server_window = match (self.server_max_window_bits, answer.server_max_window_bits) {
            (Some(offered), Some(answered)) => answered <= offered,
            (Some(_), None) => false,
            (None, _) => true,
        };
        let client_window =
            self.client_max_window_bits.is_some() || answer.client_max_window_bits.is_none();
        // With a value in the offer, the client uses no larger window, independent of the response
        // (§7.1.2.2).
        let hint = self.client_max_window_bits.filter(|&bits| bits < MAX_BITS);
        let client_windows = [hint, answer.client_max_window_bits];
        let takeover = answer.server_no_context_takeover || !self.server_no_context_takeover;
        //= rfc7692#section-7 "The client does not support the configuration that the response..."
        (server_window && client_window && takeover).then_some(Self {
            client_max_window_bits: client_windows.into_iter().flatten().min(),
            ..answer
        })
    }

    /// Returns whether all windows are in the valid range.
    pub(crate) fn is_valid(&self) -> bool {
        [self.server_max_window_bits, self.client_max_window_bits]
            .into_iter()
            .flatten()
            .all(|bits| WINDOWS.contains(&bits))
    }

    /// Returns the response to this offer; `None` if it is declined.
    //= rfc7692#section-7 "The server doesn't support the offered configuration."
    //= rfc7692#section-5 "The element MUST represent a PMCE that is fully supported by the server."
    //= rfc7692#section-5 ""Agreed parameters" must represent how the requests and hints in the..."
    //= rfc6455#section-9 "If extension parameters are included in negotiations between the..."
    pub fn answer(self, terms: Terms) -> Option<Self> {
        let limit = |offered: Option<u8>, may_limit: bool| match offered {
            Some(bits) => Some(bits.min(terms.window_bits)),
            None => (may_limit && terms.window_bits < MAX_BITS).then_some(terms.window_bits),
        };
        //= rfc7692#section-7.1.2.1 "A server declines an extension negotiation offer with this..."
        // No compressor has a window of 8 bits, so an offer that requires one is declined.
        if self
            .server_max_window_bits
            .is_some_and(|bits| bits < MIN_BITS)
        {
            return None;
        }
        let client_window = limit(self.client_max_window_bits, false);
        Some(Self {
            //= rfc7692#section-7.1.1.1 "A server accepts an extension negotiation offer that..."
            //= rfc7692#section-7.1.1.1 "It is RECOMMENDED that a server supports the..."
            server_no_context_takeover: self.server_no_context_takeover || !terms.contexts,
            client_no_context_takeover: self.client_no_context_takeover || !terms.contexts,
            //= rfc7692#section-7.1.2.1 "A server accepts an extension negotiation offer with..."
            server_max_window_bits: limit(self.server_max_window_bits, true),
            //= rfc7692#section-7.1.2.2 "If a received extension negotiation offer doesn't have..."
            client_max_window_bits: client_window.filter(|&bits| bits < MAX_BITS),
        })
    }

    /// Appends the offer in the form of a client.
    //= rfc7692#section-5 "In a PMCE negotiation offer, the client MUST inform the server of its..."
    // The client's decompressor has the largest window, which is the default.
    pub fn write_offer(&self, out: &mut Vec<u8>) {
        self.write(out);
        match self.client_max_window_bits {
            Some(MAX_BITS) => out.extend_from_slice(b"; client_max_window_bits"),
            Some(bits) => write_bits(out, CLIENT_BITS, bits),
            None => {}
        }
    }

    /// Appends the response in the form of a server.
    //= rfc7692#section-7.1.2.1 "The "server_max_window_bits" extension parameter in an..."
    //= rfc7692#section-7.1.2.2 "The "client_max_window_bits" extension parameter in an..."
    pub fn write_answer(&self, out: &mut Vec<u8>) {
        self.write(out);
        if let Some(bits) = self.client_max_window_bits {
            write_bits(out, CLIENT_BITS, bits);
        }
    }

    //= rfc6455#section-9.1 "The parameters supplied with any given extension MUST be defined..."
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(NAME);
        for (flag, name) in [
            (self.server_no_context_takeover, SERVER_NO_TAKEOVER),
            (self.client_no_context_takeover, CLIENT_NO_TAKEOVER),
        ] {
            if flag {
                out.extend_from_slice(b"; ");
                out.extend_from_slice(name);
            }
        }
        if let Some(bits) = self.server_max_window_bits {
            write_bits(out, SERVER_BITS, bits);
        }
    }

    /// Parses the parameters. `default` is the meaning of `client_max_window_bits` without a value,
    /// if that is allowed.
    fn parse(extension: &Extension<'_>, default: Option<u8>) -> Option<Self> {
        if extension.name() != NAME {
            return None;
        }
        let mut params = Self::default();
        //= rfc7692#section-7 "The negotiation offer contains an extension parameter with an..."
        //= rfc7692#section-7 "The negotiation response contains an extension parameter with an..."
        for (name, value) in extension.params() {
            let fresh = match (name, value) {
                (SERVER_NO_TAKEOVER, None) => {
                    !core::mem::replace(&mut params.server_no_context_takeover, true)
                }
                (CLIENT_NO_TAKEOVER, None) => {
                    !core::mem::replace(&mut params.client_no_context_takeover, true)
                }
                (SERVER_BITS, Some(value)) => params
                    .server_max_window_bits
                    .replace(bits(value.number()?)?)
                    .is_none(),
                (CLIENT_BITS, Some(value)) => params
                    .client_max_window_bits
                    .replace(bits(value.number()?)?)
                    .is_none(),
                (CLIENT_BITS, None) => params.client_max_window_bits.replace(default?).is_none(),
                _ => false,
            };
            //= rfc7692#section-7 "The negotiation offer contains an extension parameter not..."
            //= rfc7692#section-7 "The negotiation offer contains multiple extension parameters..."
            //= rfc7692#section-7 "The negotiation response contains an extension parameter not..."
            //= rfc7692#section-7 "The negotiation response contains multiple extension..."
            if !fresh {
                return None;
            }
        }
        Some(params)
    }
}

/// The registered name (§9).
//= rfc6455#section-9.1 "Any extension-token used MUST be a registered token (see Section 11.4)."
pub(crate) const NAME: &[u8] = b"permessage-deflate";
const SERVER_NO_TAKEOVER: &[u8] = b"server_no_context_takeover";
const CLIENT_NO_TAKEOVER: &[u8] = b"client_no_context_takeover";
const SERVER_BITS: &[u8] = b"server_max_window_bits";
const CLIENT_BITS: &[u8] = b"client_max_window_bits";
/// The smallest window of compressors.
pub(super) const MIN_BITS: u8 = 9;
/// The largest window, and the default.
//= rfc7692#section-7.2.1 "An endpoint MUST NOT use an LZ77 sliding window longer than 32,768..."
pub(super) const MAX_BITS: u8 = 15;

/// The windows that may be agreed on.
const WINDOWS: RangeInclusive<u8> = 8..=MAX_BITS;

fn bits(number: u32) -> Option<u8> {
    let bits = u8::try_from(number).ok()?;
    WINDOWS.contains(&bits).then_some(bits)
}

fn write_bits(out: &mut Vec<u8>, name: &[u8], bits: u8) {
    out.extend_from_slice(b"; ");
    out.extend_from_slice(name);
    out.push(b'=');
    if bits >= 10 {
        out.push(b'1');
    }
    out.push(b'0' + bits % 10);
}

#[cfg(test)]
mod tests;
