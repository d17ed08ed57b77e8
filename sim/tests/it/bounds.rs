//! What one client says cannot make the shard hold without bound: when it is
//! behind, it stops reading.

use stentor_core::delivery::Chunks;
use stentor_core::shard::Admission;
use stentor_core::tasks::Dispatcher;
use stentor_core::testing::wire::Opcode;
use stentor_core::{Config, ConnId, Output, Shard, ShardId, TaskEnd, Timestamp};
use stentor_sim::Rooms;
use stentor_sim::simulator::{REQUEST, masked};

const NOW: Timestamp = Timestamp::from_micros(1);
const KEY: [u8; 4] = [1, 2, 3, 4];
/// Outputs that an adapter handles at most before it looks at its sockets again.
const SLICE: usize = 2_048;

fn text(payload: &[u8]) -> Vec<u8> {
    masked(Opcode::Text, true, KEY, payload)
}

/// An adapter that does as much as fits into a turn; says how much that was.
struct ManualAdapter {
    shard: Shard<Rooms>,
    dispatcher: Dispatcher<stentor_sim::RoomTask>,
    unread: Vec<ConnId>,
}

impl ManualAdapter {
    fn new(config: &Config) -> Self {
        Self {
            shard: Shard::new(ShardId(0), config, Rooms::default()),
            dispatcher: Dispatcher::new(1, 4, config),
            unread: Vec::new(),
        }
    }

    fn connect(&mut self) -> ConnId {
        let id = self.shard.accept(NOW, Admission::Normal);
        self.read(id, REQUEST);
        self.read(id, &text(b"join:r"));
        self.turn();
        id
    }

    fn read(&mut self, id: ConnId, bytes: &[u8]) {
        self.shard.read_buffer()[..bytes.len()].copy_from_slice(bytes);
        self.shard.handle_read(NOW, id, bytes.len());
    }

    fn turn(&mut self) -> usize {
        for handled in 0..SLICE {
            let Some(output) = self.shard.poll_output().work() else {
                let due = self.shard.poll_timeout().is_some_and(|(at, _)| at <= NOW);
                if due {
                    self.shard.handle_timeout(NOW);
                }
                return handled + usize::from(due);
            };
            match output {
                Output::Flush(id) => {
                    let mut chunks = Chunks::new();
                    self.shard.poll_transmit(id, &mut chunks);
                    let n = chunks.len();
                    drop(chunks);
                    self.shard.handle_transmitted(NOW, id, n);
                }
                Output::StopReading(id) => self.unread.push(id),
                Output::StartReading(id) => self.unread.retain(|&other| other != id),
                Output::Submit(id, task, options) => {
                    if let Err(refused) = self.dispatcher.handle_submit(NOW, id, task, options) {
                        self.shard
                            .handle_task(NOW, id, TaskEnd::Refused(refused.task));
                    }
                }
                _ => {}
            }
        }
        SLICE
    }
}

#[test]
fn whoever_says_more_than_its_room_can_be_told_is_not_read_meanwhile() {
    let mut adapter = ManualAdapter::new(&Config::default());
    let ids: Vec<_> = (0..1_000).map(|_| adapter.connect()).collect();
    let frame = text(b"msg:x");
    let burst = frame.repeat((256 << 10) / frame.len());
    let loud = &ids[..2];
    let before = adapter.shard.stats().received;
    for _ in 0..40 {
        for &id in loud {
            if !adapter.unread.contains(&id) {
                adapter.read(id, &burst);
            }
        }
        adapter.turn();
        adapter.shard.audit();
        let now = adapter.shard.stats().received;
        let read = now.bytes - before.bytes;
        let done = (now.text - before.text) * frame.len() as u64;
        let most = loud.len() * (512 << 10);
        assert!(
            read - done <= most as u64,
            "{} bytes are held back",
            read - done
        );
    }
    // All of it is done in the end, and they are read again.
    while adapter.turn() > 0 {}
    assert!(adapter.unread.is_empty());
    let now = adapter.shard.stats().received;
    assert_eq!(
        (now.text - before.text) * frame.len() as u64,
        now.bytes - before.bytes
    );
}

#[test]
fn tasks_are_handed_out_before_more_are_taken_in() {
    let mut adapter = ManualAdapter::new(&Config::default());
    let ids: Vec<_> = (0..20).map(|_| adapter.connect()).collect();
    let frame = text(b"task:");
    let burst = frame.repeat((256 << 10) / frame.len());
    for &id in &ids {
        adapter.read(id, &burst);
    }
    let pending = adapter.shard.stats().links.tasks_pending;
    assert!(pending <= 4_096, "{pending} tasks wait to be handed out");
    while adapter.turn() > 0 {}
    let done = adapter.dispatcher.stats();
    let all = (ids.len() * burst.len() / frame.len()) as u64;
    assert_eq!(done.submitted + done.refused_full, all);
}
