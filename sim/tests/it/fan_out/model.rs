//! Compares publications in slices with a model that delivers each in one go.

use std::cell::RefCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use proptest::prelude::*;
use stentor_core::shard::Admission;
use stentor_core::{
    CloseCode, Config, ConnId, Context, Decision, DeliveryReport, Handler, HttpRequest, Message,
    MessageType, Output, SendOptions, Shard, ShardId,
};
use stentor_sim::simulator::REQUEST;

use super::{NOW, begin_turn, read, text, write};

/// What everybody is to hear, if each publication is delivered in one go.
#[derive(Default)]
struct FanOutModel {
    /// For each room, and for everyone (`*`), who is in it.
    members: HashMap<char, HashSet<ConnId>>,
    /// For each connection and room, what it is to hear.
    due: HashMap<(ConnId, char), Vec<String>>,
    /// How many are to have been offered each publication with a receipt.
    receipts: HashMap<u64, u64>,
    said: u64,
}

/// Does what it is told, and keeps the model.
struct ModelledApp(Rc<RefCell<FanOutModel>>);

impl Handler for ModelledApp {
    type State = ();
    type Task = core::convert::Infallible;
    type Outcome = core::convert::Infallible;

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        let mut model = self.0.borrow_mut();
        let me = ctx.id();
        let words = core::str::from_utf8(message.payload).expect("text");
        let mut words = words.chars();
        let (verb, room) = (words.next().expect("a verb"), words.next().unwrap_or('*'));
        let name = [room as u8];
        match verb {
            'j' => {
                model.members.entry(room).or_default().insert(me);
                ctx.subscribe(&name);
            }
            'l' => {
                model.members.entry(room).or_default().remove(&me);
                ctx.unsubscribe(&name);
            }
            'x' => {
                model.members.values_mut().for_each(|members| {
                    members.remove(&me);
                });
                drop(model);
                ctx.close(CloseCode::NORMAL);
            }
            // To the room; with a receipt; without the sender; at another priority.
            _ => {
                let said = model.said;
                model.said += 1;
                let text = format!("{room}{said}");
                let members = model.members.entry(room).or_default();
                let mut to: Vec<ConnId> = members.iter().copied().collect();
                to.retain(|&to| verb != 'e' || to != me);
                let mut options = SendOptions::new(10);
                if verb == 'e' {
                    options = options.exclude_sender();
                }
                if verb == 'r' {
                    options = options.receipt(said);
                    model.receipts.insert(said, to.len() as u64);
                }
                for to in to {
                    model.due.entry((to, room)).or_default().push(text.clone());
                }
                drop(model);
                if room == '*' {
                    ctx.broadcast(MessageType::Text, options, text.as_bytes());
                } else {
                    ctx.publish(&name, MessageType::Text, options, text.as_bytes());
                }
            }
        }
    }

    fn on_published(&mut self, _: &mut Context<'_, Self>, ticket: u64, outcome: DeliveryReport) {
        let expected = self.0.borrow_mut().receipts.remove(&ticket);
        assert_eq!(Some(outcome.members), expected, "{ticket}");
        assert_eq!(outcome.members, outcome.queued);
    }
}

#[derive(Clone, Debug)]
enum FanOutStep {
    Open,
    Say(usize, Vec<&'static str>),
    Hang(usize),
    /// So many outputs.
    Poll(usize),
    Turn,
}

fn step() -> impl Strategy<Value = FanOutStep> {
    let words = [
        "ja", "ja", "jb", "la", "lb", "pa", "pa", "pb", "ra", "rb", "ea", "p*", "r*", "e*", "x",
    ];
    let word = prop::sample::select(words.to_vec());
    let same = (
        prop::sample::select(vec!["pa", "ea", "pb", "p*"]),
        2usize..6,
    );
    prop_oneof![
        1 => Just(FanOutStep::Open),
        5 => (0usize..12, prop::collection::vec(word, 1..4)).prop_map(|(who, words)| FanOutStep::Say(who, words)),
        2 => (0usize..12, same).prop_map(|(who, (word, n))| FanOutStep::Say(who, vec![word; n])),
        1 => (0usize..12).prop_map(FanOutStep::Hang),
        3 => (1usize..8).prop_map(FanOutStep::Poll),
        3 => Just(FanOutStep::Turn),
    ]
}

struct FanOutSim {
    shard: Shard<ModelledApp>,
    model: Rc<RefCell<FanOutModel>>,
    ids: Vec<ConnId>,
    gone: HashSet<ConnId>,
    heard: HashMap<ConnId, Vec<u8>>,
}

impl FanOutSim {
    fn new(slice: usize) -> Self {
        let config = Config::builder().fan_out_slice(slice);
        let config = config.build().expect("in range");
        let model = Rc::new(RefCell::new(FanOutModel::default()));
        Self {
            shard: Shard::new(ShardId(0), &config, ModelledApp(model.clone())),
            model,
            ids: Vec::new(),
            gone: HashSet::new(),
            heard: HashMap::new(),
        }
    }

    fn open(&mut self) {
        let id = self.shard.accept(NOW, Admission::Normal);
        read(&mut self.shard, id, REQUEST);
        self.ids.push(id);
        let mut model = self.model.borrow_mut();
        model.members.entry('*').or_default().insert(id);
    }

    fn pick(&self, who: usize) -> Option<ConnId> {
        let who = self.ids.get(who % self.ids.len().max(1)).copied();
        who.filter(|who| !self.gone.contains(who))
    }

    /// Does what the shard asks for, one thing.
    fn poll(&mut self) -> bool {
        let Some(output) = self.shard.poll_output().work() else {
            return false;
        };
        match output {
            Output::Flush(id) => {
                let bytes = write(&mut self.shard, id);
                self.heard.entry(id).or_default().extend(bytes);
            }
            Output::Disconnect(id) => {
                self.gone.insert(id);
            }
            _ => {}
        }
        self.shard.audit();
        true
    }

    fn run(&mut self, step: &FanOutStep) {
        match step {
            FanOutStep::Open => self.open(),
            FanOutStep::Say(who, words) => {
                let Some(id) = self.pick(*who) else { return };
                let bytes: Vec<u8> = words.iter().flat_map(|word| text(word)).collect();
                read(&mut self.shard, id, &bytes);
            }
            FanOutStep::Hang(who) => {
                let Some(id) = self.pick(*who) else { return };
                self.shard.handle_disconnect(NOW, id);
                let mut model = self.model.borrow_mut();
                model.members.values_mut().for_each(|members| {
                    members.remove(&id);
                });
                // What it was to hear it may have heard, or not.
                model.due.retain(|(to, _), _| *to != id);
                self.heard.remove(&id);
                self.gone.insert(id);
            }
            FanOutStep::Poll(n) => {
                let mut left = *n;
                while left > 0 && self.poll() {
                    left -= 1;
                }
            }
            FanOutStep::Turn => {
                while self.poll() {}
                begin_turn(&mut self.shard);
            }
        }
        self.shard.audit();
    }

    fn end(mut self) -> Result<(), TestCaseError> {
        loop {
            while self.poll() {}
            if !begin_turn(&mut self.shard) {
                break;
            }
        }
        prop_assert!(self.shard.is_quiet());
        let model = self.model.borrow();
        let asked = model.receipts.len() as u64;
        // Who has ended is not told.
        prop_assert!(asked == 0 || !self.gone.is_empty() || model.said > 0);
        for (&id, heard) in &self.heard {
            let mut rooms: HashMap<char, Vec<String>> = HashMap::new();
            let head = heard.windows(4).position(|bytes| bytes == b"\r\n\r\n");
            let mut rest = &heard[head.expect("an answer") + 4..];
            while let [first, len, bytes @ ..] = rest {
                let (payload, more) = bytes.split_at(usize::from(*len));
                if *first == 0x81 {
                    let text = String::from_utf8(payload.to_vec()).expect("text");
                    let room = text.chars().next().expect("a room");
                    rooms.entry(room).or_default().push(text);
                }
                rest = more;
            }
            for room in ['a', 'b', '*'] {
                let heard = rooms.remove(&room).unwrap_or_default();
                let due = model.due.get(&(id, room)).cloned().unwrap_or_default();
                prop_assert_eq!(heard, due, "{} in {}", id, room);
            }
        }
        Ok(())
    }
}

proptest! {
    /// Whatever happens between two slices, everyone hears what it would have heard if each
    /// publication had been delivered in one go: in order, and once.
    #[test]
    fn slices_make_no_difference(
        slice in 1usize..6,
        steps in prop::collection::vec(step(), 1..120),
    ) {
        let mut world = FanOutSim::new(slice);
        for _ in 0..6 {
            world.open();
        }
        for n in 0..5 {
            world.run(&FanOutStep::Say(n, vec!["ja"]));
        }
        for step in &steps {
            world.run(step);
        }
        world.end()?;
    }
}
