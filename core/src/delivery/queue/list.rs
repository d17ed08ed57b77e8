//! List nodes of all queues of a shard: eight bytes each, in one table, so that queueing allocates
//! nothing in steady state.
//!
//! A node links both ways in one number, `previous ^ next`: a list is only ever
//! walked from its ends, where one of the two is known. So the newest of a
//! priority can be evicted as cheaply as the oldest is sent.

use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use hashbrown::HashTable;

use crate::delivery::frame::{FrameId, Key, Rank, Store};
use crate::table::{Peak, Place, Pool};

/// No node; place zero of the table is never used.
const NONE: u32 = 0;

#[derive(Clone, Copy, Debug)]
struct Node {
    frame: FrameId,
    link: u32,
}

const _: () = assert!(size_of::<Node>() == 8);

impl Place for Node {
    fn vacate(&mut self, next: u32) {
        self.link = next;
    }

    fn next_vacant(&self) -> u32 {
        self.link
    }
}

/// A list of frames; the nodes are in [`Nodes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    head: u32,
    tail: u32,
}

impl List {
    pub(crate) const EMPTY: Self = Self {
        head: NONE,
        tail: NONE,
    };

    /// Returns the node at this end.
    pub(crate) const fn end(self, end: End) -> u32 {
        match end {
            End::Oldest => self.head,
            End::Newest => self.tail,
        }
    }

    pub(crate) const fn is_empty(self) -> bool {
        self.head == NONE
    }
}

/// An end of a list.
#[derive(Clone, Copy)]
pub(crate) enum End {
    Oldest,
    Newest,
}

/// What one connection is waiting to hear the news of.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ConflationKey {
    /// The connection's slot.
    pub(crate) owner: u32,
    pub(crate) rank: Rank,
    pub(crate) key: Key,
}

/// The newest message about a subject that waits in a band, and how many do.
#[derive(Clone, Copy, Debug)]
struct Newest {
    owner: u32,
    node: u32,
    waiting: u32,
}

/// The frames of one connection that have one rank.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Band {
    pub(crate) rank: Rank,
    /// The next less urgent band of the same connection.
    pub(crate) next: u32,
    pub(crate) list: List,
    /// How many; each message of a batch counts.
    pub(crate) frames: u32,
    pub(crate) bytes: u32,
}

/// Messages in queues, in flight or not.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct QueueTotals {
    pub(crate) messages: u64,
    /// Their bytes; of a message partly written, all.
    pub(crate) bytes: u64,
}

impl Place for Band {
    fn vacate(&mut self, next: u32) {
        self.next = next;
    }

    fn next_vacant(&self) -> u32 {
        self.next
    }
}

/// The nodes and bands of all queues of a shard.
#[derive(Debug)]
pub(crate) struct Nodes {
    nodes: Pool<Node>,
    bands: Pool<Band>,
    newest: HashTable<Newest>,
    newest_peak: Peak,
    hash: FixedState,
    /// What all queues hold together.
    pub(super) held: QueueTotals,
    /// The pushes that all queues hold together.
    pub(super) pushes: QueueTotals,
    /// Messages that went out of turn because they had waited too long.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) out_of_turn: u64,
}

impl Band {
    const fn new(rank: Rank, next: u32) -> Self {
        Self {
            rank,
            next,
            list: List::EMPTY,
            frames: 0,
            bytes: 0,
        }
    }
}

impl Nodes {
    /// The seed is for the table of keys, which strangers choose.
    pub(crate) fn new(seed: u64) -> Self {
        let nobody = Node {
            frame: FrameId(0),
            link: NONE,
        };
        Self {
            nodes: Pool::with_first(nobody),
            bands: Pool::with_first(Band::new(Rank::LAST, NONE)),
            newest: HashTable::new(),
            newest_peak: Peak::default(),
            hash: FixedState::with_seed(seed),
            held: QueueTotals::default(),
            pushes: QueueTotals::default(),
            #[cfg(any(test, feature = "testing"))]
            out_of_turn: 0,
        }
    }

    /// Returns what all queues hold together of data.
    pub(crate) const fn held(&self) -> QueueTotals {
        self.held
    }

    /// Returns what all queues hold together of pushes.
    pub(crate) const fn pushes(&self) -> QueueTotals {
        self.pushes
    }

    /// Returns the bytes of memory.
    pub(crate) fn memory(&self) -> usize {
        self.nodes.memory() + self.bands.memory() + self.newest.allocation_size()
    }

    pub(crate) fn band(&self, at: u32) -> Option<&Band> {
        if at == NONE {
            None
        } else {
            self.bands.get(at as usize)
        }
    }

    pub(crate) fn band_mut(&mut self, at: u32) -> &mut Band {
        debug_assert_ne!(at, NONE);
        &mut self.bands[at]
    }

    pub(crate) fn new_band(&mut self, rank: Rank, next: u32) -> u32 {
        self.bands.insert(Band::new(rank, next))
    }

    pub(crate) fn free_band(&mut self, at: u32) {
        self.bands.remove(at);
    }

    pub(crate) fn first(&self, list: List) -> Option<FrameId> {
        if list.is_empty() {
            None
        } else {
            Some(self.nodes[list.head].frame)
        }
    }

    pub(crate) fn last(&self, list: List) -> Option<FrameId> {
        if list.is_empty() {
            None
        } else {
            Some(self.nodes[list.tail].frame)
        }
    }

    pub(crate) fn push_back(&mut self, list: &mut List, frame: FrameId) -> u32 {
        let at = self.new_node(frame, list.tail);
        if list.tail == NONE {
            list.head = at;
        } else {
            self.nodes[list.tail].link ^= at;
        }
        list.tail = at;
        at
    }

    pub(crate) fn push_front(&mut self, list: &mut List, frame: FrameId) -> u32 {
        let at = self.new_node(frame, list.head);
        if list.head == NONE {
            list.tail = at;
        } else {
            self.nodes[list.head].link ^= at;
        }
        list.head = at;
        at
    }

    pub(crate) fn pop_front(&mut self, list: &mut List) -> Option<FrameId> {
        self.pop(&mut list.head, &mut list.tail)
    }

    pub(crate) fn pop_back(&mut self, list: &mut List) -> Option<FrameId> {
        self.pop(&mut list.tail, &mut list.head)
    }

    /// Returns the newest message about this that waits.
    pub(crate) fn newest(&self, store: &Store, subject: ConflationKey) -> Option<u32> {
        let hash = self.hash.hash_one(Some(subject));
        let found = self.newest.find(hash, |&newest| {
            subject_of(&self.nodes, store, newest) == Some(subject)
        });
        found.map(|newest| newest.node)
    }

    /// A message about this waits at this node, at this end of those that do.
    #[cold] // most messages have no key
    pub(crate) fn add_about(&mut self, store: &Store, subject: ConflationKey, node: u32, end: End) {
        let Self {
            nodes,
            newest,
            hash,
            ..
        } = self;
        let is_same = |&other: &Newest| subject_of(nodes, store, other) == Some(subject);
        let hash_of = |&other: &Newest| hash.hash_one(subject_of(nodes, store, other));
        newest
            .entry(hash.hash_one(Some(subject)), is_same, hash_of)
            .and_modify(|newest| {
                newest.waiting += 1;
                if let End::Newest = end {
                    newest.node = node;
                }
            })
            .or_insert(Newest {
                owner: subject.owner,
                node,
                waiting: 1,
            });
    }

    /// The message at this node, at an end of the list, is about to be taken out.
    #[cold]
    pub(crate) fn remove_about(
        &mut self,
        store: &Store,
        subject: ConflationKey,
        node: u32,
        list: List,
    ) {
        let Self {
            nodes,
            newest,
            hash,
            ..
        } = self;
        let is_same = |&other: &Newest| subject_of(nodes, store, other) == Some(subject);
        let Ok(mut entry) = newest.find_entry(hash.hash_one(Some(subject)), is_same) else {
            return;
        };
        let newest = entry.get_mut();
        newest.waiting -= 1;
        if newest.waiting == 0 {
            entry.remove();
            self.newest_peak.note(self.newest.len() + 1);
        } else if newest.node == node {
            let is_about = |at, frame| {
                at != node
                    && store.rank(frame) == subject.rank
                    && store.key(frame) == Some(subject.key)
            };
            newest.node = last_where(nodes, list, is_about).unwrap_or(NONE);
        }
    }

    /// Gives memory back that was not needed since the last time.
    pub(crate) fn decay(&mut self, store: &Store) {
        self.nodes.decay();
        self.bands.decay();
        let Self {
            nodes,
            newest,
            hash,
            ..
        } = self;
        let hash_of = |&other: &Newest| hash.hash_one(subject_of(nodes, store, other));
        if let Some(most) = self.newest_peak.decay(newest.len(), newest.capacity()) {
            newest.shrink_to(most, hash_of);
        }
    }

    /// Gives memory of lists back that is not needed now.
    pub(crate) fn trim(&mut self) {
        self.nodes.trim();
        self.bands.trim();
    }

    /// Puts another frame in a node, and hands back the one that was there.
    pub(crate) fn replace(&mut self, node: u32, frame: FrameId) -> FrameId {
        core::mem::replace(&mut self.nodes[node].frame, frame)
    }

    pub(crate) fn frame(&self, node: u32) -> FrameId {
        self.nodes[node].frame
    }

    /// About how many subjects something waits.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn subjects(&self) -> usize {
        self.newest.len()
    }

    /// Returns every frame, first to last.
    pub(crate) fn iter(&self, list: List) -> impl Iterator<Item = FrameId> {
        let (mut before, mut at) = (NONE, list.head);
        core::iter::from_fn(move || {
            if at == NONE {
                return None;
            }
            let node = self.nodes[at];
            (before, at) = (at, node.link ^ before);
            Some(node.frame)
        })
    }

    /// Calls `f` with every frame, first to last.
    pub(crate) fn for_each(&self, list: List, f: impl FnMut(FrameId)) {
        self.iter(list).for_each(f);
    }

    fn pop(&mut self, end: &mut u32, other_end: &mut u32) -> Option<FrameId> {
        let at = *end;
        if at == NONE {
            return None;
        }
        let Node {
            frame,
            link: neighbour,
        } = self.nodes[at];
        *end = neighbour;
        if neighbour == NONE {
            *other_end = NONE;
        } else {
            self.nodes[neighbour].link ^= at;
        }
        self.nodes.remove(at);
        Some(frame)
    }

    fn new_node(&mut self, frame: FrameId, link: u32) -> u32 {
        self.nodes.insert(Node { frame, link })
    }
}

/// Returns the last node of the list whose frame is such.
fn last_where(
    nodes: &Pool<Node>,
    list: List,
    is_such: impl Fn(u32, FrameId) -> bool,
) -> Option<u32> {
    let (mut after, mut at) = (NONE, list.tail);
    while at != NONE {
        let node = nodes[at];
        if is_such(at, node.frame) {
            return Some(at);
        }
        (after, at) = (at, node.link ^ after);
    }
    None
}

fn subject_of(nodes: &Pool<Node>, store: &Store, newest: Newest) -> Option<ConflationKey> {
    let frame = nodes[newest.node].frame;
    Some(ConflationKey {
        owner: newest.owner,
        rank: store.rank(frame),
        key: store.key(frame)?,
    })
}
