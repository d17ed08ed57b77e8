//! Replies of the second implementation as the gateway takes them: borrowed.

use stentor_gateway::client_protocol::{
    ClientInfo, CommandResult, ConnectResult, DisconnectPush, ExpiryInfo, HistoryResult,
    PresenceStats, Publication, Push, PushEvent, Reply, ReplyError, SubRefreshResult,
    SubscribePush, SubscribeResult, UnsubscribePush,
};
use stentor_sim::client_protocol::{
    ProtoClientInfo, ProtoConnectPush, ProtoConnectResult, ProtoPublication, ProtoPush, ProtoReply,
    ProtoSubscribeResult,
};

/// Lists that replies borrow from. They live as long as the test's process.
fn keep<T>(items: impl Iterator<Item = T>) -> &'static [T] {
    Vec::leak(items.collect())
}

pub(super) fn reply(proto: &'static ProtoReply) -> Reply<'static> {
    let id = proto.id;
    let result = if let Some(error) = &proto.error {
        let error = ReplyError {
            code: error.code as u16,
            message: &error.message,
            temporary: error.temporary,
        };
        return Reply::Error { id, error };
    } else if let Some(proto) = &proto.push {
        return Reply::Push(push(proto));
    } else if let Some(result) = &proto.connect {
        CommandResult::Connect(connect(result))
    } else if let Some(result) = &proto.subscribe {
        CommandResult::Subscribe(subscribe(result))
    } else if proto.unsubscribe.is_some() {
        CommandResult::Unsubscribe
    } else if proto.publish.is_some() {
        CommandResult::Publish
    } else if let Some(result) = &proto.presence {
        let clients = result.presence.iter();
        CommandResult::Presence(keep(
            clients.map(|(client, info)| (client.as_str(), client_info(info))),
        ))
    } else if let Some(stats) = &proto.presence_stats {
        CommandResult::PresenceStats(PresenceStats {
            num_clients: stats.num_clients,
            num_users: stats.num_users,
        })
    } else if let Some(result) = &proto.history {
        CommandResult::History(HistoryResult {
            publications: keep(result.publications.iter().map(publication)),
            epoch: &result.epoch,
            offset: result.offset,
        })
    } else if proto.ping.is_some() {
        CommandResult::Ping
    } else if let Some(result) = &proto.rpc {
        CommandResult::Rpc(&result.data)
    } else if let Some(result) = &proto.refresh {
        CommandResult::Refresh(expiry(result.expires, result.ttl))
    } else if let Some(result) = &proto.sub_refresh {
        CommandResult::SubRefresh(SubRefreshResult {
            expiry: expiry(result.expires, result.ttl),
            items: keep(result.items.iter().map(publication)),
        })
    } else {
        return Reply::Ping;
    };
    Reply::Result { id, result }
}

fn push(proto: &'static ProtoPush) -> Push<'static> {
    let info = |event: &'static stentor_sim::client_protocol::ProtoInfo| {
        client_info(event.info.as_ref().expect("made with info"))
    };
    let event = if let Some(proto) = &proto.r#pub {
        PushEvent::Publication(publication(proto))
    } else if let Some(event) = &proto.join {
        PushEvent::Join(info(event))
    } else if let Some(event) = &proto.leave {
        PushEvent::Leave(info(event))
    } else if let Some(push) = &proto.unsubscribe {
        PushEvent::Unsubscribe(UnsubscribePush {
            code: push.code as u16,
            reason: &push.reason,
        })
    } else if let Some(message) = &proto.message {
        PushEvent::Message(&message.data)
    } else if let Some(push) = &proto.subscribe {
        PushEvent::Subscribe(SubscribePush {
            recoverable: push.recoverable,
            epoch: &push.epoch,
            offset: push.offset,
            positioned: push.positioned,
            data: &push.data,
        })
    } else if let Some(push) = &proto.connect {
        PushEvent::Connect(connect_push(push))
    } else if let Some(push) = &proto.disconnect {
        PushEvent::Disconnect(DisconnectPush {
            code: push.code as u16,
            reason: &push.reason,
            reconnect: push.reconnect,
        })
    } else {
        let push = proto.refresh.expect("made with one event");
        PushEvent::Refresh(expiry(push.expires, push.ttl))
    };
    Push {
        id: proto.id,
        channel: &proto.channel,
        event,
    }
}

const fn expiry(expires: bool, ttl: u32) -> ExpiryInfo {
    ExpiryInfo { expires, ttl }
}

fn client_info(proto: &'static ProtoClientInfo) -> ClientInfo<'static> {
    ClientInfo {
        user: &proto.user,
        client: &proto.client,
        conn_info: &proto.conn_info,
        chan_info: &proto.chan_info,
    }
}

pub(super) fn publication(proto: &'static ProtoPublication) -> Publication<'static> {
    Publication {
        data: &proto.data,
        info: proto.info.as_ref().map(client_info),
        offset: proto.offset,
        tags: keep(
            proto
                .tags
                .iter()
                .map(|(tag, value)| (tag.as_str(), value.as_str())),
        ),
        delta: proto.delta,
        time: proto.time,
        channel: &proto.channel,
        key: &proto.key,
        removed: proto.removed,
        score: proto.score,
        epoch: &proto.epoch,
        prev_data: &proto.prev_data,
        version: proto.version,
    }
}

fn connect(proto: &'static ProtoConnectResult) -> ConnectResult<'static> {
    let subs = proto.subs.iter();
    ConnectResult {
        client: &proto.client,
        version: &proto.version,
        expiry: expiry(proto.expires, proto.ttl),
        data: &proto.data,
        subs: keep(subs.map(|(channel, sub)| (channel.as_str(), subscribe(sub)))),
        ping: proto.ping,
        pong: proto.pong,
        session: &proto.session,
        node: &proto.node,
        time: proto.time,
        flag: proto.flag,
    }
}

fn connect_push(proto: &'static ProtoConnectPush) -> ConnectResult<'static> {
    let subs = proto.subs.iter();
    ConnectResult {
        client: &proto.client,
        version: &proto.version,
        expiry: expiry(proto.expires, proto.ttl),
        data: &proto.data,
        subs: keep(subs.map(|(channel, sub)| (channel.as_str(), subscribe(sub)))),
        ping: proto.ping,
        pong: proto.pong,
        session: &proto.session,
        node: &proto.node,
        time: proto.time,
        flag: 0,
    }
}

fn subscribe(proto: &'static ProtoSubscribeResult) -> SubscribeResult<'static> {
    SubscribeResult {
        expiry: expiry(proto.expires, proto.ttl),
        recoverable: proto.recoverable,
        epoch: &proto.epoch,
        publications: keep(proto.publications.iter().map(publication)),
        recovered: proto.recovered,
        offset: proto.offset,
        positioned: proto.positioned,
        data: &proto.data,
        was_recovering: proto.was_recovering,
        delta: proto.delta,
        id: proto.id,
        subscription_type: proto.r#type,
        phase: proto.phase,
        cursor: &proto.cursor,
        state: keep(proto.state.iter().map(publication)),
        publish_debounce: proto.publish_debounce,
    }
}
