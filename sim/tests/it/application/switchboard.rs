//! Application shared by the tests of many rooms, of messages to one connection and of commands
//! from application threads: it does what each client message tells it to.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use stentor_core::channels::{ChannelAnswer, ChannelQuery};
use stentor_core::channels::{ShardMessage, ShardSender};
use stentor_core::sync::Mailbox;
use stentor_core::{
    Config, ConnId, Context, Decision, DeliveryReport, Handler, HttpRequest, Message, MessageType,
    SendOptions, ShardId,
};
use stentor_sim::simulator::{Network, Sim};

/// Connections by the names that they have given themselves.
pub(crate) type Names = Rc<RefCell<BTreeMap<String, ConnId>>>;

/// Carries out what it is told, such as `join a`, `say a hello` and `to bob hello`.
#[derive(Clone, Default)]
pub(crate) struct Switchboard {
    pub(crate) names: Names,
}

impl Handler for Switchboard {
    type State = ();
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let said = core::str::from_utf8(message.payload).expect("tests speak text");
        let (verb, rest) = said.split_once(' ').unwrap_or((said, ""));
        let (what, text) = rest.split_once(' ').unwrap_or((rest, ""));
        let (room, text) = (what.as_bytes(), text.as_bytes());
        let to = |what: &str| self.names.borrow()[what];
        match verb {
            "name" => {
                self.names.borrow_mut().insert(what.into(), ctx.id());
            }
            "join" => ctx.subscribe(room),
            "leave" => ctx.unsubscribe(room),
            "say" => ctx.publish(room, MessageType::Text, PRIORITY, text),
            "say?" => ctx.publish(room, MessageType::Text, asking(), text),
            "others" => ctx.publish(room, MessageType::Text, others(), text),
            "all" => ctx.broadcast(MessageType::Text, PRIORITY, rest.as_bytes()),
            "all-others" => ctx.broadcast(MessageType::Text, others(), rest.as_bytes()),
            "to" => ctx.send(to(what), MessageType::Text, PRIORITY, text),
            "to?" => ctx.send(to(what), MessageType::Text, asking(), text),
            "count" => ctx.query(room, 7, ChannelQuery::MemberCount),
            "here" => {
                let members = ctx.local_members(room).count().to_string();
                ctx.reply(MessageType::Text, PRIORITY, members.as_bytes());
            }
            "rooms" => {
                let rooms: Vec<_> = ctx.channels().map(|room| room.to_vec()).collect();
                ctx.reply(MessageType::Text, PRIORITY, &rooms.join(&b' '));
            }
            _ => ctx.reply(MessageType::Text, PRIORITY, said.as_bytes()),
        }
    }

    fn on_published(&mut self, ctx: &mut Context<'_, Self>, ticket: u64, outcome: DeliveryReport) {
        assert_eq!(ticket, 7);
        let DeliveryReport {
            members,
            queued,
            refused,
            ..
        } = outcome;
        let sent = format!("sent {members} {queued} {refused}");
        ctx.reply(MessageType::Text, PRIORITY, sent.as_bytes());
    }

    fn on_channel_answer(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        answer: ChannelAnswer,
    ) {
        assert_eq!(ticket, 7);
        let ChannelAnswer::MemberCount(members) = answer else {
            panic!("{answer:?}");
        };
        ctx.reply(
            MessageType::Text,
            PRIORITY,
            format!("members {members}").as_bytes(),
        );
    }

    fn on_subscribe_refused(&mut self, ctx: &mut Context<'_, Self>, room: &[u8]) {
        let refused = [b"refused ", room].concat();
        ctx.reply(MessageType::Text, PRIORITY, &refused);
    }
}

fn others() -> SendOptions {
    SendOptions::new(PRIORITY).exclude_sender()
}

fn asking() -> SendOptions {
    SendOptions::new(PRIORITY).receipt(7)
}

/// A server of this application.
pub(crate) fn server(network: Network, config: &Config) -> Sim<Switchboard> {
    let switchboard = Switchboard::default();
    let nothing = Box::new(|_, (): &()| ());
    Sim::new(network, config, 0, 0, nothing, move |_| switchboard.clone())
}

/// A client on this shard that has a name.
pub(crate) fn connect(sim: &mut Sim<Switchboard>, shard: usize, name: &str) -> usize {
    let client = sim.connect(shard);
    sim.say(client, &format!("name {name}"));
    sim.settle();
    client
}

/// A room that lives on this shard.
pub(crate) fn room_of(shard: usize, config: &Config) -> String {
    let shards = usize::from(config.shards());
    let mut sim = server(Network::smooth(0), config);
    let asker = sim.connect((shard + 1) % shards);
    let is_there = |room: &String| {
        sim.say(asker, &format!("join {room}"));
        sim.settle();
        let found = sim.stats_of(shard).channels.count > 0;
        sim.say(asker, &format!("leave {room}"));
        sim.settle();
        found
    };
    (0..).map(|n| format!("r{n}")).find(is_there).expect("one")
}

/// Keeps messages from outside until the test lets them go.
#[derive(Clone, Default)]
pub(crate) struct HeldMailbox(pub(crate) std::sync::Arc<Mailbox<(ShardId, ShardMessage)>>);

impl ShardSender for HeldMailbox {
    fn send(&self, to: ShardId, message: ShardMessage) -> bool {
        self.0.push((to, message)).is_ok()
    }

    fn on_permit_released(&self) {}

    fn on_state_change(&self) {}
}

const PRIORITY: u8 = 10;
