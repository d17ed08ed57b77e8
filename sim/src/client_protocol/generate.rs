//! Commands and replies made from arbitrary bytes, for property tests and fuzz targets.

use std::collections::BTreeMap;

use super::commands::{
    ProtoChannel, ProtoCommand, ProtoConnect, ProtoEmpty, ProtoFilter, ProtoHistory,
    ProtoKeyedItem, ProtoPosition, ProtoPublish, ProtoRefresh, ProtoRpc, ProtoSend,
    ProtoSubRefresh, ProtoSubscribe, ProtoTrackBatch,
};
use super::replies::{
    ProtoClientInfo, ProtoConnectPush, ProtoConnectResult, ProtoData, ProtoDisconnectPush,
    ProtoError, ProtoHistoryResult, ProtoInfo, ProtoPresence, ProtoPresenceStats, ProtoPublication,
    ProtoPush, ProtoRefreshPush, ProtoRefreshResult, ProtoReply, ProtoSubRefreshResult,
    ProtoSubscribePush, ProtoSubscribeResult, ProtoUnsubscribePush,
};

/// Bytes that decide what is made. When they are used up, everything is empty.
#[derive(Debug)]
pub struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    /// Takes decisions from these bytes.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.rest.split_first() else {
            return 0;
        };
        self.rest = rest;
        first
    }

    fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn number(&mut self) -> u64 {
        match self.byte() {
            byte @ 0..=199 => u64::from(byte / 4),
            200..=229 => (0..4).fold(0, |number, _| number << 8 | u64::from(self.byte())),
            230..=249 => (0..8).fold(0, |number, _| number << 8 | u64::from(self.byte())),
            byte => u64::MAX >> (byte - 250),
        }
    }

    fn small(&mut self) -> u32 {
        self.number() as u32
    }

    fn signed(&mut self) -> i64 {
        self.number().cast_signed()
    }

    fn small_signed(&mut self) -> i32 {
        self.small().cast_signed()
    }

    fn text(&mut self) -> String {
        const PARTS: [&str; 16] = [
            "a", "chat", ":", "#", "$", "42", "\"", "\\", "\n", "\u{0}", "\u{1f}", "ü", "\u{2028}",
            "𝄞", "/", " ",
        ];
        let len = self.byte() % 5;
        (0..len)
            .map(|_| PARTS[usize::from(self.byte() % 16)])
            .collect()
    }

    fn payload(&mut self) -> Vec<u8> {
        const PARTS: [&str; 12] = [
            "",
            "null",
            "0",
            "-1.5e3",
            "\"\"",
            "\"ü\\n\"",
            "{}",
            "[]",
            "{\"a\":{\"b\":[1,2]}}",
            " [ 1 ,\n2 ]\n",
            "true",
            "\"x\"",
        ];
        PARTS[usize::from(self.byte()) % PARTS.len()]
            .as_bytes()
            .to_vec()
    }

    fn maybe<T>(&mut self, make: impl FnOnce(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| make(self))
    }

    fn list<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = self.byte() % 4;
        (0..len).map(|_| make(self)).collect()
    }

    fn map<T>(&mut self, mut make: impl FnMut(&mut Self) -> T) -> BTreeMap<String, T> {
        self.list(|choices| (choices.text(), make(choices)))
            .into_iter()
            .collect()
    }

    /// Makes a command that a server takes: a pong, or one request with an id.
    pub fn command(&mut self) -> ProtoCommand {
        let kind = self.byte() % 13;
        let mut command = ProtoCommand {
            id: self.small().max(1),
            ..ProtoCommand::default()
        };
        match kind {
            0 => command.id = 0,
            1 => command.connect = Some(self.connect()),
            2 => command.subscribe = Some(self.subscribe()),
            3 => command.unsubscribe = Some(self.channel()),
            4 => command.publish = Some(self.publish()),
            5 => command.presence = Some(self.channel()),
            6 => command.presence_stats = Some(self.channel()),
            7 => command.history = Some(self.history()),
            8 => command.ping = Some(ProtoEmpty {}),
            9 => {
                command.id *= u32::from(self.flag());
                command.send = Some(ProtoSend {
                    data: self.payload(),
                });
            }
            10 => {
                let (data, method) = (self.payload(), self.text());
                command.rpc = Some(ProtoRpc { data, method });
            }
            11 => command.refresh = Some(ProtoRefresh { token: self.text() }),
            _ => command.sub_refresh = Some(self.sub_refresh()),
        }
        command
    }

    fn channel(&mut self) -> ProtoChannel {
        ProtoChannel {
            channel: self.text(),
        }
    }

    fn connect(&mut self) -> ProtoConnect {
        ProtoConnect {
            token: self.text(),
            data: self.payload(),
            subs: self.map(Self::subscribe),
            name: self.text(),
            version: self.text(),
            headers: self.map(Self::text),
            flag: self.signed(),
            dict: self.text(),
            profile: self.text(),
        }
    }

    fn subscribe(&mut self) -> ProtoSubscribe {
        ProtoSubscribe {
            channel: self.text(),
            token: self.text(),
            recover: self.flag(),
            epoch: self.text(),
            offset: self.number(),
            data: self.payload(),
            positioned: self.flag(),
            recoverable: self.flag(),
            join_leave: self.flag(),
            delta: self.text(),
            tf: self.maybe(|choices| choices.filter(3)),
            flag: self.signed(),
            r#type: self.small_signed(),
            phase: self.small_signed(),
            cursor: self.text(),
            limit: self.small_signed(),
            asc: self.flag(),
        }
    }

    fn filter(&mut self, depth: usize) -> ProtoFilter {
        ProtoFilter {
            op: self.text(),
            key: self.text(),
            cmp: self.text(),
            val: self.text(),
            vals: self.list(Self::text),
            nodes: if depth == 0 {
                Vec::new()
            } else {
                self.list(|choices| choices.filter(depth - 1))
            },
        }
    }

    fn publish(&mut self) -> ProtoPublish {
        ProtoPublish {
            channel: self.text(),
            data: self.payload(),
            r#type: self.small_signed(),
            key: self.text(),
            removed: self.flag(),
        }
    }

    fn history(&mut self) -> ProtoHistory {
        ProtoHistory {
            channel: self.text(),
            limit: self.small_signed(),
            since: self.maybe(|choices| ProtoPosition {
                offset: choices.number(),
                epoch: choices.text(),
            }),
            reverse: self.flag(),
        }
    }

    fn sub_refresh(&mut self) -> ProtoSubRefresh {
        ProtoSubRefresh {
            channel: self.text(),
            token: self.text(),
            r#type: self.small_signed(),
            track: self.list(|choices| ProtoTrackBatch {
                signature: choices.text(),
                items: choices.list(|choices| ProtoKeyedItem {
                    key: choices.text(),
                    version: choices.number(),
                }),
            }),
            untrack: self.list(Self::text),
        }
    }

    /// Makes a reply, push or ping.
    pub fn reply(&mut self) -> ProtoReply {
        let kind = self.byte() % 14;
        let mut reply = ProtoReply::default();
        if kind == 0 {
            return reply;
        }
        if kind == 1 {
            reply.push = Some(self.push());
            return reply;
        }
        reply.id = self.small();
        match kind {
            2 => {
                reply.error = Some(ProtoError {
                    code: self.code(),
                    message: self.text(),
                    temporary: self.flag(),
                });
            }
            3 => reply.connect = Some(self.connect_result()),
            4 => reply.subscribe = Some(self.subscribe_result()),
            5 => reply.unsubscribe = Some(ProtoEmpty {}),
            6 => reply.publish = Some(ProtoEmpty {}),
            7 => {
                let presence = self.map(Self::client_info);
                reply.presence = Some(ProtoPresence { presence });
            }
            8 => {
                let (num_clients, num_users) = (self.small(), self.small());
                reply.presence_stats = Some(ProtoPresenceStats {
                    num_clients,
                    num_users,
                });
            }
            9 => {
                reply.history = Some(ProtoHistoryResult {
                    publications: self.list(Self::publication),
                    epoch: self.text(),
                    offset: self.number(),
                });
            }
            10 => reply.ping = Some(ProtoEmpty {}),
            11 => {
                reply.rpc = Some(ProtoData {
                    data: self.payload(),
                });
            }
            12 => {
                reply.refresh = Some(ProtoRefreshResult {
                    expires: self.flag(),
                    ttl: self.small(),
                    ..ProtoRefreshResult::default()
                });
            }
            _ => {
                reply.sub_refresh = Some(ProtoSubRefreshResult {
                    expires: self.flag(),
                    ttl: self.small(),
                    items: self.list(Self::publication),
                });
            }
        }
        reply
    }

    /// Codes have 16 bits.
    fn code(&mut self) -> u32 {
        self.small() & 0xFFFF
    }

    fn push(&mut self) -> ProtoPush {
        let kind = self.byte() % 9;
        let mut push = ProtoPush {
            id: self.signed(),
            channel: self.text(),
            ..ProtoPush::default()
        };
        match kind {
            0 => push.r#pub = Some(self.publication()),
            1 => push.join = Some(self.info()),
            2 => push.leave = Some(self.info()),
            3 => {
                let (code, reason) = (self.code(), self.text());
                push.unsubscribe = Some(ProtoUnsubscribePush { code, reason });
            }
            4 => {
                push.message = Some(ProtoData {
                    data: self.payload(),
                });
            }
            5 => {
                push.subscribe = Some(ProtoSubscribePush {
                    recoverable: self.flag(),
                    epoch: self.text(),
                    offset: self.number(),
                    positioned: self.flag(),
                    data: self.payload(),
                });
            }
            6 => push.connect = Some(self.connect_push()),
            7 => {
                push.disconnect = Some(ProtoDisconnectPush {
                    code: self.code(),
                    reason: self.text(),
                    reconnect: self.flag(),
                });
            }
            _ => {
                let (expires, ttl) = (self.flag(), self.small());
                push.refresh = Some(ProtoRefreshPush { expires, ttl });
            }
        }
        push
    }

    fn client_info(&mut self) -> ProtoClientInfo {
        ProtoClientInfo {
            user: self.text(),
            client: self.text(),
            conn_info: self.payload(),
            chan_info: self.payload(),
        }
    }

    fn info(&mut self) -> ProtoInfo {
        ProtoInfo {
            info: Some(self.client_info()),
        }
    }

    fn publication(&mut self) -> ProtoPublication {
        ProtoPublication {
            data: self.payload(),
            info: self.maybe(Self::client_info),
            offset: self.number(),
            tags: self.map(Self::text),
            delta: self.flag(),
            time: self.signed(),
            channel: self.text(),
            key: self.text(),
            removed: self.flag(),
            score: self.signed(),
            epoch: self.text(),
            prev_data: self.payload(),
            version: self.number(),
        }
    }

    fn connect_result(&mut self) -> ProtoConnectResult {
        ProtoConnectResult {
            client: self.text(),
            version: self.text(),
            expires: self.flag(),
            ttl: self.small(),
            data: self.payload(),
            subs: self.map(Self::subscribe_result),
            ping: self.small(),
            pong: self.flag(),
            session: self.text(),
            node: self.text(),
            time: self.signed(),
            flag: self.signed(),
        }
    }

    fn connect_push(&mut self) -> ProtoConnectPush {
        ProtoConnectPush {
            client: self.text(),
            version: self.text(),
            data: self.payload(),
            subs: self.map(Self::subscribe_result),
            expires: self.flag(),
            ttl: self.small(),
            ping: self.small(),
            pong: self.flag(),
            session: self.text(),
            node: self.text(),
            time: self.signed(),
        }
    }

    fn subscribe_result(&mut self) -> ProtoSubscribeResult {
        ProtoSubscribeResult {
            expires: self.flag(),
            ttl: self.small(),
            recoverable: self.flag(),
            epoch: self.text(),
            publications: self.list(Self::publication),
            recovered: self.flag(),
            offset: self.number(),
            positioned: self.flag(),
            data: self.payload(),
            was_recovering: self.flag(),
            delta: self.flag(),
            id: self.signed(),
            r#type: self.small_signed(),
            phase: self.small_signed(),
            cursor: self.text(),
            state: self.list(Self::publication),
            publish_debounce: self.small(),
        }
    }
}
