//! Channels with positions, history, presence and events, on one shard and on several.

mod filters;
mod history;
mod lost;
mod presence;

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use stentor_core::channels::{
    ChannelAnswer, ChannelQuery, Epoch, HistoryQuery, KeptPublication, MemberInfo, Position,
    Publication, Recovery, RecoveryScope, Retention, Since, Subscribed, Subscription,
};
use stentor_core::delivery::{ChannelEvent, Codec, Outgoing};
use stentor_core::testing::wire::Opcode;
use stentor_core::{
    Acceptance, CloseCode, Config, ConnId, Context, Decision, Handler, HttpRequest, Message,
    MessageType,
};

use crate::net::{Net, masked, request};

const RETENTION: Retention = Retention {
    messages: 10,
    bytes: 10_000,
    ttl: Duration::from_secs(10),
    position_ttl: Duration::from_secs(100),
};

/// Says in words what it is told. Commands are words as well: `sub C`, `position C`,
/// `filter C LETTERS`,
/// `recover C EPOCH OFFSET`, `require C EPOCH OFFSET`, `present C USER`, `alone C`, `listen C USER`, `unsub C`,
/// `pub C TEXT`, `keep C TEXT`, `sure C TEXT`, `who C`, `kick C`, `count C`, `history C N`.
struct Words;

thread_local! {
    /// How often filters were asked.
    static ASKED: Cell<u64> = const { Cell::new(0) };
}

impl Handler for Words {
    type State = ();
    type Task = ();
    type Outcome = ();

    const CODECS: usize = 2;

    fn encode(_: Codec, message: &Outgoing<'_>, out: &mut Vec<u8>) -> Option<MessageType> {
        let channel = String::from_utf8_lossy(message.channel.unwrap_or_default()).into_owned();
        let text = String::from_utf8_lossy(message.payload);
        let by = String::from_utf8_lossy(message.annotation);
        let text = match (message.event, message.position) {
            (ChannelEvent::Join, _) => format!("{channel}+{text}"),
            (ChannelEvent::Leave, _) => format!("{channel}-{text}"),
            (ChannelEvent::Publication, None) => format!("{channel}:{text}{by}"),
            (ChannelEvent::Publication, Some(position)) => {
                format!("{channel}#{}:{text}{by}", position.offset)
            }
        };
        out.extend(text.as_bytes());
        Some(MessageType::Text)
    }

    fn passes(filter: &[u8], message: &Outgoing<'_>) -> bool {
        ASKED.set(ASKED.get() + 1);
        let letter = |byte: &u8| filter.contains(byte);
        message.payload.iter().any(letter)
    }

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::Accept(Acceptance::new(()).codec(Codec::new(1)))
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let text = String::from_utf8_lossy(message.payload).into_owned();
        for line in text.lines() {
            let words: Vec<&str> = line.splitn(4, ' ').collect();
            let subscription = Subscription::new();
            let member = |user: &str| {
                Arc::new(MemberInfo {
                    user: user.as_bytes().to_vec().into(),
                    info: user.as_bytes().to_vec().into(),
                })
            };
            match words[..] {
                ["sub", channel] => ctx.subscribe_with(channel.as_bytes(), subscription),
                ["position", channel] => {
                    let positioned = subscription.position(RETENTION).positioned();
                    ctx.subscribe_with(channel.as_bytes(), positioned);
                }
                ["filter", channel, letters] => {
                    let positioned = subscription.position(RETENTION).positioned();
                    let filter = letters.as_bytes().to_vec().into();
                    ctx.subscribe_with(channel.as_bytes(), positioned.filter(filter));
                }
                [
                    how @ ("recover" | "require" | "latest"),
                    channel,
                    epoch,
                    offset,
                ] => {
                    let recovery = Recovery {
                        scope: match how {
                            "latest" => RecoveryScope::Latest,
                            _ => RecoveryScope::All,
                        },
                        since: Since {
                            epoch: (epoch != "-").then(|| Epoch::from_text(epoch)),
                            offset: offset.parse().expect("a number"),
                        },
                        limit: 100,
                        is_required: how == "require",
                    };
                    let mut positioned = subscription.position(RETENTION).positioned();
                    if recovery.is_required {
                        positioned = positioned.presence(member("one"));
                    }
                    ctx.subscribe_with(channel.as_bytes(), positioned.recover(recovery));
                }
                ["present", channel, user] => {
                    let shown = subscription.presence(member(user)).announced(10);
                    ctx.subscribe_with(channel.as_bytes(), shown);
                }
                ["listen", channel, user] => {
                    let shown = subscription.presence(member(user)).announced(10).events();
                    ctx.subscribe_with(channel.as_bytes(), shown);
                }
                ["alone", channel] => {
                    let shown = subscription.presence(member("one")).list_others();
                    ctx.subscribe_with(channel.as_bytes(), shown);
                }
                ["unsub", channel] => {
                    ctx.unsubscribe(channel.as_bytes());
                    self.say(ctx, &format!("left {channel}"));
                }
                ["pub", channel, text] => {
                    let plain = Publication::new(MessageType::Text, 10, text.as_bytes());
                    ctx.publish_with(channel.as_bytes(), plain);
                }
                ["keep", channel, text] => {
                    let kept = Publication::new(MessageType::Text, 10, text.as_bytes());
                    let kept = kept.retention(RETENTION).annotation(b"!");
                    ctx.publish_with(channel.as_bytes(), kept);
                }
                ["sure", channel, text] => {
                    let kept = Publication::new(MessageType::Text, 10, text.as_bytes());
                    let kept = kept.retention(RETENTION).acknowledge(7);
                    ctx.publish_with(channel.as_bytes(), kept);
                }
                ["who", channel] => ctx.query(channel.as_bytes(), 1, ChannelQuery::Members),
                ["kick", channel] => ctx.query(channel.as_bytes(), 4, ChannelQuery::Members),
                ["count", channel] => ctx.query(channel.as_bytes(), 2, ChannelQuery::Occupancy),
                ["history", channel, limit] => {
                    let query = HistoryQuery {
                        retention: RETENTION,
                        since: None,
                        limit: limit.parse().expect("a number"),
                        reverse: false,
                    };
                    ctx.query(channel.as_bytes(), 3, ChannelQuery::History(query));
                }
                _ => panic!("{line}"),
            }
        }
    }

    fn on_subscribed(&mut self, ctx: &mut Context<'_, Self>, subscribed: Subscribed) {
        let channel = String::from_utf8_lossy(&subscribed.channel).into_owned();
        let at = subscribed.position.map_or_else(String::new, |position| {
            format!("@{} {}", position.offset, position.epoch.as_str())
        });
        let missed = listed(&subscribed.publications);
        let code = CloseCode::new(3504).expect("a code of an application");
        for other in subscribed.others {
            ctx.disconnect(other, code, "replaced");
        }
        self.say(
            ctx,
            &match (subscribed.is_member, subscribed.recovered) {
                (false, _) => format!("refused {channel}{at}"),
                (true, true) => format!("recovered {channel}{at} [{missed}]"),
                (true, false) => format!("subscribed {channel}{at} [{missed}]"),
            },
        );
    }

    fn on_accepted(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        position: Option<Position>,
    ) {
        let offset = position.map_or(0, |position| position.offset);
        self.say(ctx, &format!("{ticket} accepted @{offset}"));
    }

    fn on_position_lost(&mut self, ctx: &mut Context<'_, Self>, channel: &[u8]) {
        self.say(ctx, &format!("lost {}", String::from_utf8_lossy(channel)));
    }

    fn on_channel_answer(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        answer: ChannelAnswer,
    ) {
        let text = match answer {
            ChannelAnswer::Members(members) if ticket == 4 => {
                let code = CloseCode::new(3504).expect("a code of an application");
                for (conn, _) in members {
                    if conn != ctx.id() {
                        ctx.disconnect(conn, code, "one too many");
                    }
                }
                return;
            }
            ChannelAnswer::Members(members) => {
                let users = members.iter().map(|(_, member)| &member.user[..]);
                let mut users: Vec<_> = users.map(String::from_utf8_lossy).collect();
                users.sort_unstable();
                format!("members {}", users.join(" "))
            }
            ChannelAnswer::Occupancy { clients, users } => format!("{clients} of {users}"),
            ChannelAnswer::History {
                position,
                publications,
            } => format!("history @{} [{}]", position.offset, listed(&publications)),
            other => format!("{other:?}"),
        };
        self.say(ctx, &text);
    }
}

impl Words {
    fn say(&self, ctx: &mut Context<'_, Self>, text: &str) {
        ctx.push(MessageType::Text, text.as_bytes());
    }
}

fn listed(publications: &[KeptPublication]) -> String {
    let each = publications.iter().map(|each| {
        let text = String::from_utf8_lossy(&each.payload);
        format!("{}:{text}", each.offset)
    });
    each.collect::<Vec<_>>().join(" ")
}

impl Net<Words> {
    fn words(shards: u16) -> Self {
        // Nobody answers pings here.
        let day = Duration::from_secs(24 * 3_600);
        let config = Config::builder()
            .ping_interval(day - Duration::from_secs(1))
            .pong_wait(day);
        Self::new(shards, config, || Words)
    }

    fn open(&mut self, shard: usize) -> ConnId {
        let id = self.accept(shard, None);
        self.send(id, request("/").as_bytes());
        self.take(id);
        id
    }

    /// Lets a client say something, and returns what it hears then.
    fn ask(&mut self, id: ConnId, text: &str) -> Vec<String> {
        self.send(id, &masked(Opcode::Text, text.as_bytes()));
        self.heard(id)
    }

    /// What a client has heard since the last time.
    fn heard(&mut self, id: ConnId) -> Vec<String> {
        let (bytes, mut heard) = (self.take(id), Vec::new());
        let mut rest = &bytes[..];
        while let [0x81, len, payload @ ..] = rest {
            let (len, payload) = match len {
                126 => (
                    usize::from(u16::from_be_bytes([payload[0], payload[1]])),
                    &payload[2..],
                ),
                &len => (len.into(), payload),
            };
            heard.push(String::from_utf8(payload[..len].to_vec()).expect("UTF-8"));
            rest = &payload[len..];
        }
        heard
    }

    /// The epoch of a channel, as a subscriber is told.
    fn epoch(&mut self, id: ConnId, channel: &str) -> String {
        let answer = self.ask(id, &format!("position {channel}"));
        let words: Vec<&str> = answer[0].split(' ').collect();
        self.ask(id, &format!("unsub {channel}"));
        words[2].to_owned()
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.after(time);
        for shard in &mut self.shards {
            shard.handle_timeout(self.now);
        }
        self.settle();
    }
}
