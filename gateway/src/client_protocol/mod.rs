//! Messages and codecs of the Centrifugo client protocol, for SDKs that speak it.
//!
//! Pure data: no connection, channel or token is checked here. Both codecs decode into the same
//! [`Command`] and encode the same [`Reply`].
//!
//! | file | owns |
//! |---|---|
//! | `command`, `request` | commands of clients, and their fields |
//! | `reply`, `result`, `push`, `publication` | what the server sends |
//! | `code` | errors, unsubscribe and disconnect codes: numbers, texts, reactions of clients |
//! | `error` | why a message cannot be decoded or encoded |
//! | `codec` | choice of the codec; replies in one message; publications for a fan-out |
//! | `json/` | JSON: one object a line, payloads not parsed |
//! | `msgpack/` | MessagePack: the same as JSON in another notation |
//! | `protobuf/` | Protobuf: lengths in front, texts and payloads borrowed |
//!
//! ```
//! use stentor_gateway::client_protocol::{ClientCodec, CommandResult, Reply, ReplyBatch, CommandRequest};
//!
//! let message = br#"{"id":7,"publish":{"channel":"chat","data":{"text":"hello"}}}"#;
//! let mut out = Vec::new();
//! let mut replies = ReplyBatch::new(ClientCodec::Json, &mut out);
//! for command in ClientCodec::Json.decode(message) {
//!     let command = command?;
//!     let CommandRequest::Publish(publish) = command.request else { continue };
//!     assert_eq!(publish.data, br#"{"text":"hello"}"#);
//!     let (id, result) = (command.id, CommandResult::Publish);
//!     replies.push(&Reply::Result { id, result })?;
//! }
//! assert_eq!(out, br#"{"id":7,"publish":{}}"#);
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

mod code;
mod codec;
mod command;
mod error;
pub(crate) mod json;
mod msgpack;
mod protobuf;
mod publication;
mod push;
mod reply;
mod request;
mod result;

pub use code::{DisconnectCode, ErrorCode, UnsubscribeCode, reconnects_after, resubscribes_after};
pub use codec::{ClientCodec, Commands, ReplyBatch, encode_publication, encode_push, encode_reply};
pub use command::{Command, CommandRequest};
pub use error::{DecodeError, InvalidPayload};
pub use msgpack::to_lines as msgpack_to_lines;
pub use publication::{ClientInfo, Publication};
pub use push::{DisconnectPush, Push, PushEvent, SubscribePush, UnsubscribePush};
pub use reply::{Reply, ReplyError};
pub use request::{
    ChannelRequest, ConnectRequest, EmulationRequest, FilterNode, HistoryRequest, KeyedItem,
    MAX_FILTER_DEPTH, PublishRequest, RefreshRequest, RpcRequest, SendRequest, StreamPosition,
    SubRefreshRequest, SubscribeRequest, Token, TrackBatch,
};
pub use result::{
    CommandResult, ConnectResult, ExpiryInfo, HistoryResult, PresenceStats, SubRefreshResult,
    SubscribeResult,
};
