//! Frame decoder for what servers send. It passes payload on in pieces, without copying it.

use stentor_core::proto::ws::header::{Header, MAX_CONTROL, MAX_LEN};
use stentor_core::proto::ws::opcode::Opcode;

/// A piece of a stream of frames.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StreamPiece<'a> {
    /// Payload of the current message.
    Payload(&'a [u8]),
    /// The end of the current message.
    End,
    /// A ping with its payload.
    Ping(&'a [u8]),
    /// A close frame with its code.
    Close(Option<u16>),
}

/// The state of the decoder between reads.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    /// The part of a header that has been received.
    head: [u8; MAX_LEN],
    have: usize,
    /// Opcode and FIN bit of the current frame; `left` is the rest of its payload.
    frame: Option<(Opcode, bool)>,
    left: u64,
    control: Vec<u8>,
}

impl Decoder {
    /// Decodes input, and passes each piece to `on`.
    ///
    /// # Errors
    /// Returns an error for frames that a server must not send, and the errors of `on`.
    pub(crate) fn feed<E: From<&'static str>>(
        &mut self,
        mut input: &[u8],
        mut on: impl FnMut(StreamPiece<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        while !input.is_empty() {
            let (opcode, fin) = match self.frame {
                Some(frame) => frame,
                None => match self.header(&mut input)? {
                    Some(frame) => frame,
                    None => return Ok(()),
                },
            };
            let n = self.left.min(input.len() as u64) as usize;
            let (part, rest) = input.split_at(n);
            (input, self.left) = (rest, self.left - n as u64);
            if opcode.is_control() {
                self.control.extend_from_slice(part);
            } else if n > 0 {
                on(StreamPiece::Payload(part))?;
            }
            if self.left > 0 {
                return Ok(());
            }
            self.frame = None;
            if !opcode.is_control() {
                if fin {
                    on(StreamPiece::End)?;
                }
                continue;
            }
            match opcode {
                Opcode::Ping => on(StreamPiece::Ping(&self.control))?,
                Opcode::Close => {
                    let code = self.control.first_chunk().copied();
                    on(StreamPiece::Close(code.map(u16::from_be_bytes)))?;
                }
                _ => {}
            }
            self.control.clear();
        }
        Ok(())
    }

    /// Takes a header from the input. Returns `None` if it is incomplete.
    fn header<E: From<&'static str>>(
        &mut self,
        input: &mut &[u8],
    ) -> Result<Option<(Opcode, bool)>, E> {
        let parsed = if self.have == 0 {
            Header::parse(input)
        } else {
            let add = input.len().min(MAX_LEN - self.have);
            self.head[self.have..self.have + add].copy_from_slice(&input[..add]);
            Header::parse(&self.head[..self.have + add])
        };
        let Some((header, len)) = parsed.map_err(|_| "a frame that no one may send")? else {
            // An incomplete header is shorter than the buffer.
            if self.have == 0 {
                self.head[..input.len()].copy_from_slice(input);
            }
            self.have += input.len();
            *input = &[];
            return Ok(None);
        };
        *input = &input[len - self.have..];
        self.have = 0;
        if header.mask.is_some() {
            return Err("a masked frame".into());
        }
        if header.rsv != 0 {
            return Err("a frame with an extension that was not agreed".into());
        }
        let frame = (header.opcode, header.fin);
        self.left = header.payload_len;
        debug_assert!(!header.opcode.is_control() || self.left <= MAX_CONTROL as u64);
        self.frame = Some(frame);
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use stentor_core::MessageType;

    use super::*;
    use stentor_benches::messages;

    /// Decodes a stream in chunks of this size, and returns its messages and control frames as
    /// text.
    fn read(stream: &[u8], chunk: usize) -> Result<Vec<String>, &'static str> {
        let mut decoder = Decoder::default();
        let (mut decoded, mut message) = (Vec::new(), Vec::new());
        for part in stream.chunks(chunk) {
            decoder.feed(part, |piece| {
                match piece {
                    StreamPiece::Payload(part) => message.extend_from_slice(part),
                    StreamPiece::End => {
                        decoded.push(String::from_utf8_lossy(&message).into_owned());
                    }
                    StreamPiece::Ping(payload) => decoded.push(format!("ping {payload:?}")),
                    StreamPiece::Close(code) => decoded.push(format!("close {code:?}")),
                }
                if piece == StreamPiece::End {
                    message.clear();
                }
                Ok::<(), &'static str>(())
            })?;
        }
        Ok(decoded)
    }

    #[test]
    fn chunks_do_not_change_what_is_decoded() {
        let long = "x".repeat(70_000);
        let mut stream = Vec::new();
        for text in ["", "a", &"y".repeat(200), &long, ""] {
            messages::server_frame(&mut stream, MessageType::Text, text.as_bytes());
        }
        stream.extend_from_slice(b"\x01\x03Hel\x89\x01?\x80\x02lo\x8a\x00\x88\x02\x03\xe9");
        let whole = read(&stream, stream.len()).expect("valid");
        let end: Vec<&str> = whole[5..].iter().map(String::as_str).collect();
        assert_eq!(whole[..2], ["", "a"]);
        assert_eq!((whole[3].len(), whole[4].as_str()), (70_000, ""));
        assert_eq!(end, ["ping [63]", "Hello", "close Some(1001)"]);
        for chunk in [1, 2, 3, 5, 13, 1_000, 69_999] {
            assert_eq!(read(&stream, chunk).as_ref(), Ok(&whole), "{chunk}");
        }
    }

    #[test]
    fn invalid_frames_of_a_server_are_errors() {
        assert!(read(b"\x81\x81\0\0\0\0a", 7).is_err(), "masked");
        assert!(read(b"\xc1\x01a", 1).is_err(), "compressed");
        assert!(read(b"\x83\x01a", 3).is_err(), "reserved opcode");
    }

    #[test]
    fn a_close_without_a_code_has_none() {
        assert_eq!(read(b"\x88\x00", 2).expect("valid"), ["close None"]);
    }
}
