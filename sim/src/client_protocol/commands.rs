//! Commands of the protocol, as prost derives them.
#![expect(missing_docs, reason = "the names are those of the protocol")]

use std::collections::BTreeMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub struct ProtoCommand {
    #[prost(uint32, tag = "1")]
    pub id: u32,
    #[prost(message, optional, tag = "4")]
    pub connect: Option<ProtoConnect>,
    #[prost(message, optional, tag = "5")]
    pub subscribe: Option<ProtoSubscribe>,
    #[prost(message, optional, tag = "6")]
    pub unsubscribe: Option<ProtoChannel>,
    #[prost(message, optional, tag = "7")]
    pub publish: Option<ProtoPublish>,
    #[prost(message, optional, tag = "8")]
    pub presence: Option<ProtoChannel>,
    #[prost(message, optional, tag = "9")]
    pub presence_stats: Option<ProtoChannel>,
    #[prost(message, optional, tag = "10")]
    pub history: Option<ProtoHistory>,
    #[prost(message, optional, tag = "11")]
    pub ping: Option<ProtoEmpty>,
    #[prost(message, optional, tag = "12")]
    pub send: Option<ProtoSend>,
    #[prost(message, optional, tag = "13")]
    pub rpc: Option<ProtoRpc>,
    #[prost(message, optional, tag = "14")]
    pub refresh: Option<ProtoRefresh>,
    #[prost(message, optional, tag = "15")]
    pub sub_refresh: Option<ProtoSubRefresh>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub struct ProtoEmpty {}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoConnect {
    #[prost(string, tag = "1")]
    pub token: String,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    #[prost(btree_map = "string, message", tag = "3")]
    pub subs: BTreeMap<String, ProtoSubscribe>,
    #[prost(string, tag = "4")]
    pub name: String,
    #[prost(string, tag = "5")]
    pub version: String,
    #[prost(btree_map = "string, string", tag = "6")]
    pub headers: BTreeMap<String, String>,
    #[prost(int64, tag = "7")]
    pub flag: i64,
    #[prost(string, tag = "8")]
    pub dict: String,
    #[prost(string, tag = "9")]
    pub profile: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoRefresh {
    #[prost(string, tag = "1")]
    pub token: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoSubscribe {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(string, tag = "2")]
    pub token: String,
    #[prost(bool, tag = "3")]
    pub recover: bool,
    #[prost(string, tag = "6")]
    pub epoch: String,
    #[prost(uint64, tag = "7")]
    pub offset: u64,
    #[prost(bytes = "vec", tag = "8")]
    pub data: Vec<u8>,
    #[prost(bool, tag = "9")]
    pub positioned: bool,
    #[prost(bool, tag = "10")]
    pub recoverable: bool,
    #[prost(bool, tag = "11")]
    pub join_leave: bool,
    #[prost(string, tag = "12")]
    pub delta: String,
    #[prost(message, optional, tag = "13")]
    pub tf: Option<ProtoFilter>,
    #[prost(int64, tag = "14")]
    pub flag: i64,
    #[prost(int32, tag = "15")]
    pub r#type: i32,
    #[prost(int32, tag = "16")]
    pub phase: i32,
    #[prost(string, tag = "17")]
    pub cursor: String,
    #[prost(int32, tag = "18")]
    pub limit: i32,
    #[prost(bool, tag = "19")]
    pub asc: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoFilter {
    #[prost(string, tag = "1")]
    pub op: String,
    #[prost(string, tag = "2")]
    pub key: String,
    #[prost(string, tag = "3")]
    pub cmp: String,
    #[prost(string, tag = "4")]
    pub val: String,
    #[prost(string, repeated, tag = "5")]
    pub vals: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    pub nodes: Vec<Self>,
}

impl ProtoFilter {
    fn depth(&self) -> usize {
        1 + self.nodes.iter().map(Self::depth).max().unwrap_or(0)
    }
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoSubRefresh {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(string, tag = "2")]
    pub token: String,
    #[prost(int32, tag = "3")]
    pub r#type: i32,
    #[prost(message, repeated, tag = "4")]
    pub track: Vec<ProtoTrackBatch>,
    #[prost(string, repeated, tag = "5")]
    pub untrack: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoTrackBatch {
    #[prost(string, tag = "1")]
    pub signature: String,
    #[prost(message, repeated, tag = "2")]
    pub items: Vec<ProtoKeyedItem>,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoKeyedItem {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(uint64, tag = "2")]
    pub version: u64,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoChannel {
    #[prost(string, tag = "1")]
    pub channel: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoPublish {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(bytes = "vec", tag = "2")]
    pub data: Vec<u8>,
    #[prost(int32, tag = "3")]
    pub r#type: i32,
    #[prost(string, tag = "4")]
    pub key: String,
    #[prost(bool, tag = "5")]
    pub removed: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoPosition {
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    #[prost(string, tag = "2")]
    pub epoch: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoHistory {
    #[prost(string, tag = "1")]
    pub channel: String,
    #[prost(int32, tag = "7")]
    pub limit: i32,
    #[prost(message, optional, tag = "8")]
    pub since: Option<ProtoPosition>,
    #[prost(bool, tag = "9")]
    pub reverse: bool,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoRpc {
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
    #[prost(string, tag = "2")]
    pub method: String,
}

#[derive(Clone, PartialEq, Message)]
pub struct ProtoSend {
    #[prost(bytes = "vec", tag = "1")]
    pub data: Vec<u8>,
}

impl ProtoCommand {
    /// Returns the command as a server understands it: without an id only `send` counts, with one
    /// there is one request, and filters are not too deep. `None` if it is to be refused.
    pub fn checked(mut self) -> Option<Self> {
        if self.id == 0 {
            return Some(Self {
                send: self.send.take(),
                ..Self::default()
            });
        }
        let requests = [
            self.connect.is_some(),
            self.subscribe.is_some(),
            self.unsubscribe.is_some(),
            self.publish.is_some(),
            self.presence.is_some(),
            self.presence_stats.is_some(),
            self.history.is_some(),
            self.ping.is_some(),
            self.send.is_some(),
            self.rpc.is_some(),
            self.refresh.is_some(),
            self.sub_refresh.is_some(),
        ];
        let subs = self
            .connect
            .iter()
            .flat_map(|connect| connect.subs.values());
        let mut filters = subs
            .chain(&self.subscribe)
            .filter_map(|sub| sub.tf.as_ref());
        let is_flat = filters
            .all(|filter| filter.depth() <= stentor_gateway::client_protocol::MAX_FILTER_DEPTH);
        (requests.iter().filter(|&&there| there).count() == 1 && is_flat).then_some(self)
    }
}
