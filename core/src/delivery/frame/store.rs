//! Encoded frames of a shard, with a count of references to each. Does not contain the connections
//! that a frame waits for. `place` contains the choice of memory, `batch` several frames as one.

#[cfg(any(test, feature = "testing"))]
mod audit;
mod batch;
mod place;
mod record;

use alloc::vec::Vec;

use bytes::Bytes;

use crate::buffers::Buffers;
use crate::delivery::frame::MAX_PAYLOAD;
use crate::delivery::frame::meta::{FrameMeta, Key, PublishedAt};
use crate::delivery::frame::rank::Rank;
use crate::delivery::frame::run::{RUN, Run};
use crate::proto::wire::FrameTag;
use crate::proto::ws::opcode::Opcode;
use crate::table::{Pool, Table};
use crate::time::Timestamp;
use record::{Body, Expiry, Record};

/// A frame in the store. Stays the same while the frame moves between runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct FrameId(pub(crate) u32);

/// A frame up to this long (payload, bytes) is copied next to its neighbours;
/// a longer one that is shared anyway keeps its own memory.
pub(super) const INLINE: usize = 4 << 10;
/// A frame that nobody shares must be copied in any case, so it goes into a run
/// up to this length.
const INLINE_OWNED: usize = RUN / 4;
/// Empty runs kept for the next burst.
pub(super) const SPARE_RUNS: usize = 64;
const NO_BODY: u32 = u32::MAX;
const NO_TERM: u32 = u32::MAX;
const NO_PART: u32 = u32::MAX;

/// The frames of one shard.
#[derive(Debug)]
pub(crate) struct Store {
    records: Pool<Record>,
    pub(super) runs: Table<Run>,
    /// Of those places, how many are occupied.
    held_runs: usize,
    /// Runs without bytes in them, their memory kept.
    spare: Vec<u32>,
    /// The fewest of those since it was last looked at: nobody has needed them.
    pub(super) least_spare: usize,
    open: u32,
    /// Bytes of memory of the lists of frames in all runs.
    pub(super) list_bytes: usize,
    bodies: Table<Body>,
    spare_bodies: Buffers,
    /// Where a payload is compressed.
    packed: Vec<u8>,
    body_bytes: u64,
    terms: Pool<Expiry>,
    /// Runs that were emptied because little in them was wanted.
    #[cfg(any(test, feature = "testing"))]
    evacuated: u64,
    /// Batches that were joined, and references to them that became those to parts.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) batches: [u64; 2],
}

impl Store {
    pub(crate) fn new() -> Self {
        let mut runs = Table::new();
        let open = runs.insert(Run::default());
        Self {
            records: Pool::new(),
            runs,
            held_runs: 1,
            spare: Vec::new(),
            least_spare: 0,
            open,
            list_bytes: 0,
            bodies: Table::new(),
            spare_bodies: Buffers::default(),
            packed: Vec::new(),
            body_bytes: 0,
            terms: Pool::new(),
            #[cfg(any(test, feature = "testing"))]
            evacuated: 0,
            #[cfg(any(test, feature = "testing"))]
            batches: [0; 2],
        }
    }

    /// Encodes an unmasked frame around a payload that is copied. The caller
    /// holds the one reference to it.
    pub(crate) fn encode(
        &mut self,
        label: impl Into<FrameMeta>,
        tag: FrameTag,
        payload: &[u8],
    ) -> FrameId {
        self.encode_parts(label, tag, [payload, &[]])
    }

    /// [`encode`](Self::encode) with a payload in two parts.
    //= rfc6455#section-6.1 "An endpoint MUST encapsulate the /data/ in a WebSocket frame as..."
    pub(crate) fn encode_parts(
        &mut self,
        label: impl Into<FrameMeta>,
        tag: FrameTag,
        parts: [&[u8]; 2],
    ) -> FrameId {
        let (label, suffix) = (&label.into(), tag.suffix());
        let len = parts[0].len() + parts[1].len();
        if len > INLINE_OWNED {
            let body = self.own(&[parts[0], parts[1], suffix]);
            return self.encode_body(label, tag, len, body);
        }
        let (header, n) = tag.prefix(len);
        let parts = [&header[..n], parts[0], parts[1], suffix];
        let id = self.append(label, parts, NO_BODY, 0);
        self.records[id.0].header = n as u8;
        id
    }

    /// Encodes an unmasked frame around a payload that others share.
    pub(crate) fn encode_shared(
        &mut self,
        label: impl Into<FrameMeta>,
        tag: FrameTag,
        payload: &Bytes,
    ) -> FrameId {
        if payload.len() <= INLINE || !tag.suffix().is_empty() {
            return self.encode_parts(label, tag, [payload, &[]]);
        }
        let body = Body::Shared(payload.clone());
        self.encode_body(&label.into(), tag, payload.len(), body)
    }

    /// Encodes what is to take the place of a frame with a message: its payload in a form that
    /// `pack` appends to a buffer, unless it says that there is none.
    pub(crate) fn encode_packed(
        &mut self,
        id: FrameId,
        pack: impl FnOnce([&[u8]; 2], &mut Vec<u8>) -> bool,
    ) -> Option<FrameId> {
        let Record {
            rank, header, born, ..
        } = self.records[id.0];
        let mut packed = core::mem::take(&mut self.packed);
        let (inline, body) = self.bytes(id);
        let opcode = Opcode::from_bits(*inline.first()? & 0x0F).ok()?;
        let parts = [&inline[header.into()..], body];
        let has_packed = pack(parts, &mut packed);
        let tag = FrameTag::compressed(opcode);
        let frame = has_packed.then(|| self.encode_parts(rank, tag, [&packed, &[]]));
        if let Some(frame) = frame {
            self.records[frame.0].born = born;
        }
        packed.clear();
        packed.shrink_to(RUN);
        self.packed = packed;
        frame
    }

    /// Takes note that others have the frame's payload too.
    pub(crate) fn mark_shared(&mut self, id: FrameId) {
        self.records[id.0].shared = true;
    }

    /// Returns whether others have the frame's payload too.
    pub(crate) fn is_shared(&self, id: FrameId) -> bool {
        self.records[id.0].shared
    }

    /// Returns the bytes of the frame's payload.
    pub(crate) fn payload_len(&self, id: FrameId) -> usize {
        let record = &self.records[id.0];
        record.len as usize - usize::from(record.header)
    }

    /// Takes bytes that are encoded already: frames, or an HTTP answer.
    pub(crate) fn adopt(&mut self, label: impl Into<FrameMeta>, bytes: &[u8]) -> FrameId {
        let label = &label.into();
        if bytes.len() > INLINE_OWNED {
            let body = self.own(&[bytes]);
            let body = self.keep(body);
            return self.append(label, [&[]; 4], body, bytes.len());
        }
        self.append(label, [bytes, &[], &[], &[]], NO_BODY, 0)
    }

    pub(crate) fn retain(&mut self, id: FrameId) {
        self.records[id.0].refs += 1;
    }

    /// Gives one reference back; with the last one the frame is gone.
    pub(crate) fn release(&mut self, id: FrameId) {
        let record = &mut self.records[id.0];
        record.refs -= 1;
        if record.refs > 0 {
            return;
        }
        let Record {
            run,
            inline,
            body,
            term,
            messages,
            next,
            ..
        } = *record;
        // Only now may its place pass to another: to leave a run can move what else stands there.
        if messages > 1 {
            self.release_parts(run, next);
            self.records.remove(id.0);
            return;
        }
        if term != NO_TERM {
            self.terms.remove(term);
        }
        if body != NO_BODY {
            let body_of = &mut self.bodies[body];
            self.body_bytes -= body_of.memory();
            if let Body::Owned(bytes) = body_of {
                self.spare_bodies.give(core::mem::take(bytes));
            }
            self.bodies.remove(body);
        }
        self.records.remove(id.0);
        self.leave_run(run, inline);
    }

    pub(crate) fn len(&self, id: FrameId) -> u32 {
        self.records[id.0].len
    }

    pub(crate) fn rank(&self, id: FrameId) -> Rank {
        self.records[id.0].rank
    }

    /// Returns how many microseconds ago the frame was published, roughly.
    pub(crate) fn age(&self, id: FrameId, now: Timestamp) -> u64 {
        self.records[id.0].born.age(now)
    }

    /// Returns whether the frame is not to be sent any more.
    pub(crate) fn is_expired(&self, id: FrameId, now: Timestamp) -> bool {
        match self.term(id) {
            Some(&Expiry::Of { deadline, .. }) => deadline.is_some_and(|deadline| deadline <= now),
            Some(Expiry::Vacant(_)) | None => false,
        }
    }

    /// Returns what the frame is news of.
    pub(crate) fn key(&self, id: FrameId) -> Option<Key> {
        match *self.term(id)? {
            Expiry::Of { key, .. } => key,
            Expiry::Vacant(_) => None,
        }
    }

    /// Returns the number of the channel in whose stream the frame has a place.
    pub(crate) fn stream(&self, id: FrameId) -> Option<u32> {
        match *self.term(id)? {
            Expiry::Of { stream, .. } => stream,
            Expiry::Vacant(_) => None,
        }
    }

    /// Returns whether any frame has a deadline, a key or a stream.
    pub(crate) fn has_terms(&self) -> bool {
        self.terms.occupied() > 0
    }

    fn term(&self, id: FrameId) -> Option<&Expiry> {
        // Out of range where there is none.
        self.terms.get(self.records[id.0].term as usize)
    }

    /// Returns the frame's bytes: what stands in its run, and the payload where that is elsewhere.
    pub(crate) fn bytes(&self, id: FrameId) -> (&[u8], &[u8]) {
        let record = &self.records[id.0];
        let inline = self.span(record.run, record.offset, record.inline);
        let body = self
            .bodies
            .get(record.body as usize)
            .map_or(&[][..], |body| body);
        (inline, body)
    }

    /// Where the frame stands: run, offset, bytes there, and whether that is all of it.
    pub(crate) fn place(&self, id: FrameId) -> (u32, u32, u32, bool) {
        let record = &self.records[id.0];
        (
            record.run,
            record.offset,
            record.inline,
            record.body == NO_BODY,
        )
    }

    pub(crate) fn span(&self, run: u32, offset: u32, len: u32) -> &[u8] {
        &self.runs[run].bytes[offset as usize..(offset + len) as usize]
    }

    /// Returns the bytes of memory held: whole runs, and payloads that have their own.
    pub(crate) fn held_bytes(&self) -> u64 {
        (self.held_runs * RUN) as u64 + self.body_bytes
    }

    /// Returns the bytes of memory in all: what is [held](Self::held_bytes), and what is kept
    /// for frames to come.
    pub(crate) fn memory(&self) -> u64 {
        let tables = self.records.memory() + self.bodies.memory() + self.terms.memory();
        let spare = self.spare.capacity() * size_of::<u32>();
        let runs = self.runs.memory() + spare + self.list_bytes;
        let rest = self.spare_bodies.memory() + self.packed.capacity();
        self.held_bytes() + (tables + runs + rest) as u64
    }

    /// Returns the bytes of runs and bodies that are only kept for frames to come.
    pub(crate) fn spare_bytes(&self) -> usize {
        self.spare.len() * RUN + self.spare_bodies.memory()
    }

    /// Gives the memory back that is only kept for frames to come.
    pub(crate) fn trim(&mut self) {
        self.spare_bodies.trim();
        while let Some(at) = self.spare.pop() {
            self.give_memory_back(at);
        }
        self.least_spare = 0;
        self.records.trim();
        self.runs.trim();
        self.bodies.trim();
        self.terms.trim();
    }

    /// Gives back some of the memory that no frame has needed since the last time.
    pub(crate) fn decay(&mut self) {
        for _ in 0..self.least_spare {
            if let Some(at) = self.spare.pop() {
                self.give_memory_back(at);
            }
        }
        self.least_spare = self.spare.len();
        self.spare_bodies.decay();
        self.records.decay();
        self.runs.decay();
        self.bodies.decay();
        self.terms.decay();
    }

    /// Encodes a frame whose payload, of this length, stands elsewhere, with what comes behind it.
    fn encode_body(&mut self, label: &FrameMeta, tag: FrameTag, len: usize, body: Body) -> FrameId {
        let (header, n) = tag.prefix(len);
        let len = body.len();
        let body = self.keep(body);
        let id = self.append(label, [&header[..n], &[], &[], &[]], body, len);
        self.records[id.0].header = n as u8;
        id
    }

    fn own(&mut self, parts: &[&[u8]]) -> Body {
        let mut body = self
            .spare_bodies
            .take_for(parts.iter().map(|part| part.len()).sum());
        for part in parts {
            body.extend_from_slice(part);
        }
        Body::Owned(body)
    }

    fn keep(&mut self, payload: Body) -> u32 {
        self.body_bytes += payload.memory();
        self.bodies.insert(payload)
    }

    fn append(
        &mut self,
        label: &FrameMeta,
        parts: [&[u8]; 4],
        body: u32,
        body_len: usize,
    ) -> FrameId {
        let inline = parts.iter().map(|part| part.len()).sum();
        let (run, offset) = self.room_for(inline);
        let bytes = &mut self.runs[run].bytes;
        for part in parts {
            bytes.extend_from_slice(part);
        }
        // Applications are held to MAX_PAYLOAD, peers to less.
        debug_assert!(body_len <= MAX_PAYLOAD, "{body_len} bytes");
        let inline = inline as u32;
        let record = Record {
            run,
            offset,
            inline,
            len: inline + body_len as u32,
            body,
            refs: 1,
            born: PublishedAt::new(label.born),
            term: self.keep_term(label),
            next: NO_PART,
            messages: 1,
            rank: label.rank,
            header: 0,
            shared: false,
            is_part: false,
        };
        self.enter(record, inline)
    }

    /// Keeps a record, which takes so many bytes of its run.
    #[inline]
    fn enter(&mut self, record: Record, inline: u32) -> FrameId {
        let run = record.run;
        let id = self.records.insert(record);
        self.enter_run(run, id, inline);
        FrameId(id)
    }

    fn keep_term(&mut self, label: &FrameMeta) -> u32 {
        let &FrameMeta {
            deadline,
            key,
            stream,
            ..
        } = label;
        if deadline.is_none() && key.is_none() && stream.is_none() {
            return NO_TERM;
        }
        self.terms.insert(Expiry::Of {
            deadline,
            key,
            stream,
        })
    }
}
