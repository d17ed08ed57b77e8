//! Replies and pushes of the protocol, as prost derives them.
#![expect(missing_docs, reason = "the names are those of the protocol")]

use std::collections::BTreeMap;

use prost::Message;

use super::commands::ProtoEmpty;

#[derive(Clone, PartialEq, Message)]
pub struct ProtoReply {
    #[prost(uint32, tag = "1")]
    pub id: u32,
    #[prost(message, optional, tag = "2")]
    pub error: Option<ProtoError>,
    #[prost(message, optional, tag = "4")]
    pub push: Option<ProtoPush>,
    #[prost(message, optional, tag = "5")]
    pub connect: Option<ProtoConnectResult>,
    #[prost(message, optional, tag = "6")]
    pub subscribe: Option<ProtoSubscribeResult>,
    #[prost(message, optional, tag = "7")]
    pub unsubscribe: Option<ProtoEmpty>,
    #[prost(message, optional, tag = "8")]
    pub publish: Option<ProtoEmpty>,
    #[prost(message, optional, tag = "9")]
    pub presence: Option<ProtoPresence>,
    #[prost(message, optional, tag = "10")]
    pub presence_stats: Option<ProtoPresenceStats>,
    #[prost(message, optional, tag = "11")]
    pub history: Option<ProtoHistoryResult>,
    #[prost(message, optional, tag = "12")]
    pub ping: Option<ProtoEmpty>,
    #[prost(message, optional, tag = "13")]
    pub rpc: Option<ProtoData>,
    #[prost(message, optional, tag = "14")]
    pub refresh: Option<ProtoRefreshResult>,
    #[prost(message, optional, tag = "15")]
    pub sub_refresh: Option<ProtoSubRefreshResult>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoError {
    #[prost(uint32, tag = "1")]
    pub code: u32,
    #[prost(string, tag = "2")]
    pub message: String,
    #[prost(bool, tag = "3")]
    pub temporary: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoPush {
    #[prost(int64, tag = "1")]
    pub id: i64,
    #[prost(string, tag = "2")]
    pub channel: String,
    #[prost(message, optional, tag = "4")]
    pub r#pub: Option<ProtoPublication>,
    #[prost(message, optional, tag = "5")]
    pub join: Option<ProtoInfo>,
    #[prost(message, optional, tag = "6")]
    pub leave: Option<ProtoInfo>,
    #[prost(message, optional, tag = "7")]
    pub unsubscribe: Option<ProtoUnsubscribePush>,
    #[prost(message, optional, tag = "8")]
    pub message: Option<ProtoData>,
    #[prost(message, optional, tag = "9")]
    pub subscribe: Option<ProtoSubscribePush>,
    #[prost(message, optional, tag = "10")]
    pub connect: Option<ProtoConnectPush>,
    #[prost(message, optional, tag = "11")]
    pub disconnect: Option<ProtoDisconnectPush>,
    #[prost(message, optional, tag = "12")]
    pub refresh: Option<ProtoRefreshPush>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoClientInfo {
    #[prost(string, tag = "1")]
    pub user: String,
    #[prost(string, tag = "2")]
    pub client: String,
    #[prost(bytes = "vec", tag = "3")]
    pub conn_info: Vec<u8>,
    #[prost(bytes = "vec", tag = "4")]
    pub chan_info: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoPublication {
    #[prost(bytes = "vec", tag = "4")]
    pub data: Vec<u8>,
    #[prost(message, optional, tag = "5")]
    pub info: Option<ProtoClientInfo>,
    #[prost(uint64, tag = "6")]
    pub offset: u64,
    #[prost(btree_map = "string, string", tag = "7")]
    pub tags: BTreeMap<String, String>,
    #[prost(bool, tag = "8")]
    pub delta: bool,
    #[prost(int64, tag = "9")]
    pub time: i64,
    #[prost(string, tag = "10")]
    pub channel: String,
    #[prost(string, tag = "11")]
    pub key: String,
    #[prost(bool, tag = "12")]
    pub removed: bool,
    #[prost(sint64, tag = "13")]
    pub score: i64,
    #[prost(string, tag = "14")]
    pub epoch: String,
    #[prost(bytes = "vec", tag = "15")]
    pub prev_data: Vec<u8>,
    #[prost(uint64, tag = "16")]
    pub version: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoInfo {
    #[prost(message, optional, tag = "1")]
    pub info: Option<ProtoClientInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoUnsubscribePush {
    #[prost(uint32, tag = "2")]
    pub code: u32,
    #[prost(string, tag = "3")]
    pub reason: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoData {
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoSubscribePush {
    #[prost(bool, tag = "1")]
    pub recoverable: bool,
    #[prost(string, tag = "4")]
    pub epoch: String,
    #[prost(uint64, tag = "5")]
    pub offset: u64,
    #[prost(bool, tag = "6")]
    pub positioned: bool,
    #[prost(bytes = "vec", tag = "7")]
    pub data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoConnectPush {
    #[prost(string, tag = "1")]
    pub client: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(bytes = "vec", tag = "3")]
    pub data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "4")]
    pub subs: BTreeMap<String, ProtoSubscribeResult>,
    #[prost(bool, tag = "5")]
    pub expires: bool,
    #[prost(uint32, tag = "6")]
    pub ttl: u32,
    #[prost(uint32, tag = "7")]
    pub ping: u32,
    #[prost(bool, tag = "8")]
    pub pong: bool,
    #[prost(string, tag = "9")]
    pub session: String,
    #[prost(string, tag = "10")]
    pub node: String,
    #[prost(int64, tag = "11")]
    pub time: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoDisconnectPush {
    #[prost(uint32, tag = "1")]
    pub code: u32,
    #[prost(string, tag = "2")]
    pub reason: String,
    #[prost(bool, tag = "3")]
    pub reconnect: bool,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct ProtoRefreshPush {
    #[prost(bool, tag = "1")]
    pub expires: bool,
    #[prost(uint32, tag = "2")]
    pub ttl: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoConnectResult {
    #[prost(string, tag = "1")]
    pub client: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(bool, tag = "3")]
    pub expires: bool,
    #[prost(uint32, tag = "4")]
    pub ttl: u32,
    #[prost(bytes = "vec", tag = "5")]
    pub data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "6")]
    pub subs: BTreeMap<String, ProtoSubscribeResult>,
    #[prost(uint32, tag = "7")]
    pub ping: u32,
    #[prost(bool, tag = "8")]
    pub pong: bool,
    #[prost(string, tag = "9")]
    pub session: String,
    #[prost(string, tag = "10")]
    pub node: String,
    #[prost(int64, tag = "11")]
    pub time: i64,
    #[prost(int64, tag = "12")]
    pub flag: i64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoSubscribeResult {
    #[prost(bool, tag = "1")]
    pub expires: bool,
    #[prost(uint32, tag = "2")]
    pub ttl: u32,
    #[prost(bool, tag = "3")]
    pub recoverable: bool,
    #[prost(string, tag = "6")]
    pub epoch: String,
    #[prost(message, repeated, tag = "7")]
    pub publications: Vec<ProtoPublication>,
    #[prost(bool, tag = "8")]
    pub recovered: bool,
    #[prost(uint64, tag = "9")]
    pub offset: u64,
    #[prost(bool, tag = "10")]
    pub positioned: bool,
    #[prost(bytes = "vec", tag = "11")]
    pub data: Vec<u8>,
    #[prost(bool, tag = "12")]
    pub was_recovering: bool,
    #[prost(bool, tag = "13")]
    pub delta: bool,
    #[prost(int64, tag = "14")]
    pub id: i64,
    #[prost(int32, tag = "15")]
    pub r#type: i32,
    #[prost(int32, tag = "16")]
    pub phase: i32,
    #[prost(string, tag = "17")]
    pub cursor: String,
    #[prost(message, repeated, tag = "18")]
    pub state: Vec<ProtoPublication>,
    #[prost(uint32, tag = "19")]
    pub publish_debounce: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoPresence {
    #[prost(btree_map = "string, message", tag = "1")]
    pub presence: BTreeMap<String, ProtoClientInfo>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct ProtoPresenceStats {
    #[prost(uint32, tag = "1")]
    pub num_clients: u32,
    #[prost(uint32, tag = "2")]
    pub num_users: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoHistoryResult {
    #[prost(message, repeated, tag = "1")]
    pub publications: Vec<ProtoPublication>,
    #[prost(string, tag = "2")]
    pub epoch: String,
    #[prost(uint64, tag = "3")]
    pub offset: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoRefreshResult {
    #[prost(string, tag = "1")]
    pub client: String,
    #[prost(string, tag = "2")]
    pub version: String,
    #[prost(bool, tag = "3")]
    pub expires: bool,
    #[prost(uint32, tag = "4")]
    pub ttl: u32,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoSubRefreshResult {
    #[prost(bool, tag = "1")]
    pub expires: bool,
    #[prost(uint32, tag = "2")]
    pub ttl: u32,
    #[prost(message, repeated, tag = "3")]
    pub items: Vec<ProtoPublication>,
}
