//! Commands that the gateway has decoded, as messages of prost.

use std::borrow::Cow;

use stentor_gateway::client_protocol::{
    ChannelRequest, Command, CommandRequest, ConnectRequest, FilterNode, SubRefreshRequest,
    SubscribeRequest,
};

use super::commands::{
    ProtoChannel, ProtoCommand, ProtoConnect, ProtoEmpty, ProtoFilter, ProtoHistory,
    ProtoKeyedItem, ProtoPosition, ProtoPublish, ProtoRefresh, ProtoRpc, ProtoSend,
    ProtoSubRefresh, ProtoSubscribe, ProtoTrackBatch,
};

impl From<&Command<'_>> for ProtoCommand {
    fn from(command: &Command<'_>) -> Self {
        let mut proto = Self {
            id: command.id,
            ..Self::default()
        };
        match &command.request {
            CommandRequest::Pong => {}
            CommandRequest::Connect(request) => proto.connect = Some(request.into()),
            CommandRequest::Subscribe(request) => proto.subscribe = Some(request.into()),
            CommandRequest::Unsubscribe(request) => proto.unsubscribe = Some(request.into()),
            CommandRequest::Publish(request) => {
                proto.publish = Some(ProtoPublish {
                    channel: owned(&request.channel),
                    data: request.data.to_vec(),
                    r#type: request.publication_type,
                    key: owned(&request.key),
                    removed: request.removed,
                });
            }
            CommandRequest::Presence(request) => proto.presence = Some(request.into()),
            CommandRequest::PresenceStats(request) => proto.presence_stats = Some(request.into()),
            CommandRequest::History(request) => {
                proto.history = Some(ProtoHistory {
                    channel: owned(&request.channel),
                    limit: request.limit,
                    since: request.since.as_ref().map(|since| ProtoPosition {
                        offset: since.offset,
                        epoch: owned(&since.epoch),
                    }),
                    reverse: request.reverse,
                });
            }
            CommandRequest::Ping => proto.ping = Some(ProtoEmpty {}),
            CommandRequest::Send(request) => {
                proto.send = Some(ProtoSend {
                    data: request.data.to_vec(),
                });
            }
            CommandRequest::Rpc(request) => {
                proto.rpc = Some(ProtoRpc {
                    data: request.data.to_vec(),
                    method: owned(&request.method),
                });
            }
            CommandRequest::Refresh(request) => {
                proto.refresh = Some(ProtoRefresh {
                    token: request.token.as_str().to_owned(),
                });
            }
            CommandRequest::SubRefresh(request) => proto.sub_refresh = Some(request.into()),
        }
        proto
    }
}

fn owned(text: &str) -> String {
    text.to_owned()
}

fn list(texts: &[Cow<'_, str>]) -> Vec<String> {
    texts.iter().map(|text| owned(text)).collect()
}

impl From<&ChannelRequest<'_>> for ProtoChannel {
    fn from(request: &ChannelRequest<'_>) -> Self {
        Self {
            channel: owned(&request.channel),
        }
    }
}

impl From<&ConnectRequest<'_>> for ProtoConnect {
    fn from(request: &ConnectRequest<'_>) -> Self {
        let subs = request.subs.iter();
        let headers = request.headers.iter();
        Self {
            token: request.token.as_str().to_owned(),
            data: request.data.to_vec(),
            subs: subs
                .map(|(channel, sub)| (owned(channel), sub.into()))
                .collect(),
            name: owned(&request.name),
            version: owned(&request.version),
            headers: headers
                .map(|(name, value)| (owned(name), owned(value)))
                .collect(),
            flag: request.flag,
            dict: owned(&request.dict),
            profile: owned(&request.profile),
        }
    }
}

impl From<&SubscribeRequest<'_>> for ProtoSubscribe {
    fn from(request: &SubscribeRequest<'_>) -> Self {
        Self {
            channel: owned(&request.channel),
            token: request.token.as_str().to_owned(),
            recover: request.recover,
            epoch: owned(&request.epoch),
            offset: request.offset,
            data: request.data.to_vec(),
            positioned: request.positioned,
            recoverable: request.recoverable,
            join_leave: request.join_leave,
            delta: owned(&request.delta),
            tf: request.tf.as_ref().map(ProtoFilter::from),
            flag: request.flag,
            r#type: request.subscription_type,
            phase: request.phase,
            cursor: owned(&request.cursor),
            limit: request.limit,
            asc: request.asc,
        }
    }
}

impl From<&FilterNode<'_>> for ProtoFilter {
    fn from(filter: &FilterNode<'_>) -> Self {
        Self {
            op: owned(&filter.op),
            key: owned(&filter.key),
            cmp: owned(&filter.cmp),
            val: owned(&filter.val),
            vals: list(&filter.vals),
            nodes: filter.nodes.iter().map(Self::from).collect(),
        }
    }
}

impl From<&SubRefreshRequest<'_>> for ProtoSubRefresh {
    fn from(request: &SubRefreshRequest<'_>) -> Self {
        let batches = request.track.iter().map(|batch| {
            let items = batch.items.iter().map(|item| ProtoKeyedItem {
                key: owned(&item.key),
                version: item.version,
            });
            ProtoTrackBatch {
                signature: batch.signature.as_str().to_owned(),
                items: items.collect(),
            }
        });
        Self {
            channel: owned(&request.channel),
            token: request.token.as_str().to_owned(),
            r#type: request.refresh_type,
            track: batches.collect(),
            untrack: list(&request.untrack),
        }
    }
}
