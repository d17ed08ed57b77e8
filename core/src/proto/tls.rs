//! TLS as the transport of a link (RFC 8446, RFC 5246), by rustls. This file alone knows how rustls
//! is driven. Cryptography, certificates, tickets and the clock are in the configuration that is
//! handed in.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};

use crate::proto::transport::{Opened, Transport, TransportError};

/// The server's end of TLS on one link.
pub struct TlsTransport {
    connection: UnbufferedServerConnection,
    stage: TlsStage,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum TlsStage {
    /// Nothing has come.
    First,
    Handshake,
    Open,
    /// This end has said that it sends nothing more.
    Closed,
}

impl TlsTransport {
    /// Returns a transport with this configuration.
    ///
    /// # Errors
    /// Returns an error if the configuration cannot be used.
    pub fn new(config: Arc<rustls::ServerConfig>) -> Result<Self, rustls::Error> {
        Ok(Self {
            connection: UnbufferedServerConnection::new(config)?,
            stage: TlsStage::First,
        })
    }

    /// Handles records until more bytes are needed, or the peer has ended.
    fn handle_records(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, TransportError> {
        let mut consumed = 0;
        loop {
            let status = self.connection.process_tls_records(&mut input[consumed..]);
            let UnbufferedStatus { discard, state, .. } = status;
            consumed += discard;
            match state.map_err(|_| TransportError)? {
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(|_| TransportError)?;
                        plain.extend_from_slice(record.payload);
                        consumed += record.discard;
                    }
                }
                ConnectionState::WriteTraffic(_) => {
                    if self.stage < TlsStage::Open {
                        self.stage = TlsStage::Open;
                    }
                    return Ok(Opened::so_far(consumed));
                }
                ConnectionState::BlockedHandshake => return Ok(Opened::so_far(consumed)),
                ConnectionState::PeerClosed | ConnectionState::Closed => {
                    return Ok(Opened::to_the_end(input.len()));
                }
                state => send_record(state, reply)?,
            }
        }
    }

    /// Appends what is to be said to a peer that has broken the protocol.
    fn append_alert(&mut self, reply: &mut Vec<u8>) {
        for _ in 0..MAX_ALERT_RECORDS {
            match self.connection.process_tls_records(&mut []).state {
                Ok(
                    state @ (ConnectionState::EncodeTlsData(_)
                    | ConnectionState::TransmitTlsData(_)),
                ) => {
                    if send_record(state, reply).is_err() {
                        return;
                    }
                }
                _ => return,
            }
        }
    }

    /// Appends what rustls writes where it sends application data, unless the handshake is not done.
    fn append(
        &mut self,
        out: &mut Vec<u8>,
        about: usize,
        mut write: impl FnMut(
            &mut rustls::unbuffered::WriteTraffic<'_, ServerConnectionData>,
            &mut [u8],
        ) -> Result<usize, EncryptError>,
    ) {
        loop {
            match self.connection.process_tls_records(&mut []).state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => {
                    let result = append_sized(out, about, |space| {
                        write(&mut traffic, space).map_err(|error| match error {
                            EncryptError::InsufficientSize(needed) => Some(needed),
                            EncryptError::EncryptExhausted => None,
                        })
                    });
                    debug_assert!(result.is_ok(), "keys are renewed long before that");
                    return;
                }
                Ok(
                    state @ (ConnectionState::EncodeTlsData(_)
                    | ConnectionState::TransmitTlsData(_)),
                ) => {
                    if send_record(state, out).is_err() {
                        return;
                    }
                }
                Ok(ConnectionState::PeerClosed) => {}
                _ => return,
            }
        }
    }
}

impl PartialOrd for TlsStage {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        (*self as u8).partial_cmp(&(*other as u8))
    }
}

impl Transport for TlsTransport {
    fn open(
        &mut self,
        input: &mut [u8],
        plain: &mut Vec<u8>,
        reply: &mut Vec<u8>,
    ) -> Result<Opened, TransportError> {
        if self.stage == TlsStage::First {
            // A record of a handshake begins with 22. Letters are a client that does not know that
            // this port speaks TLS.
            if input.first().is_some_and(u8::is_ascii_uppercase) {
                reply.extend_from_slice(PLAIN_HTTP);
                return Err(TransportError);
            }
            self.stage = TlsStage::Handshake;
        }
        let opened = self.handle_records(input, plain, reply);
        if opened.is_err() {
            self.append_alert(reply);
        }
        opened
    }

    fn seal(&mut self, plain: &[u8], out: &mut Vec<u8>) {
        let about = plain.len() + RECORD_OVERHEAD * (plain.len() / MAX_RECORD + 1);
        self.append(out, about, |traffic, space| traffic.encrypt(plain, space));
    }

    fn close(&mut self, out: &mut Vec<u8>) {
        if self.stage == TlsStage::Open {
            self.append(out, RECORD_OVERHEAD, |traffic, space| {
                traffic.queue_close_notify(space)
            });
        }
        self.stage = TlsStage::Closed;
    }

    fn is_handshaking(&self) -> bool {
        self.stage <= TlsStage::Handshake
    }

    fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = self.connection.peer_certificates()?;
        chain.first().map(AsRef::as_ref)
    }

    fn memory(&self) -> usize {
        let chain = self.connection.peer_certificates().unwrap_or_default();
        let chain: usize = chain.iter().map(|certificate| certificate.len()).sum();
        size_of::<Self>() + HEAP + chain
    }
}

impl fmt::Debug for TlsTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport")
            .field("stage", &self.stage)
            .finish_non_exhaustive()
    }
}

/// Appends a record that rustls has made and takes note that it will be sent.
fn send_record(
    state: ConnectionState<'_, '_, ServerConnectionData>,
    out: &mut Vec<u8>,
) -> Result<(), TransportError> {
    match state {
        ConnectionState::EncodeTlsData(mut data) => append_sized(out, 0, |space| {
            data.encode(space).map_err(|error| match error {
                EncodeError::InsufficientSize(needed) => Some(needed),
                EncodeError::AlreadyEncoded => None,
            })
        }),
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(())
        }
        // Early data is not taken, so there is none.
        _ => Err(TransportError),
    }
}

/// Appends what `write` writes into the space that it is given, `about` bytes or as many as it says
/// that it needs.
fn append_sized(
    out: &mut Vec<u8>,
    about: usize,
    mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<InsufficientSizeError>>,
) -> Result<(), TransportError> {
    let before = out.len();
    let mut space = about;
    for _ in 0..2 {
        out.resize(before + space, 0);
        match write(&mut out[before..]) {
            Ok(n) => {
                out.truncate(before + n);
                return Ok(());
            }
            Err(Some(InsufficientSizeError { required_size })) => space = required_size,
            Err(None) => break,
        }
    }
    out.truncate(before);
    Err(TransportError)
}

/// The most plaintext in a record, in bytes (RFC 8446 §5.1).
const MAX_RECORD: usize = 1 << 14;

/// The most bytes of a record beside its plaintext, of the cipher suites that rustls has: header,
/// explicit nonce of TLS 1.2 or type of TLS 1.3, tag.
const RECORD_OVERHEAD: usize = 5 + 8 + 16;

/// More records than are ever sent behind a fault.
const MAX_ALERT_RECORDS: usize = 8;

/// Bytes of heap of an open connection with AES-256-GCM and aws-lc-rs, as measured: keys in both
/// directions, traffic secrets, queues.
const HEAP: usize = 2_360;

/// What a client gets that does not speak TLS.
const PLAIN_HTTP: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
    Content-Length: 30\r\nConnection: close\r\n\r\nThis port needs https or wss.\n";
