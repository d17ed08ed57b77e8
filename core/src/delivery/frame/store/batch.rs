//! Batches in the store: adjacent messages of one rank in one run that wait in queues as one frame.
//! Where a part of a batch has to be removed, the queue contains its parts instead.

use crate::delivery::frame::store::{FrameId, NO_BODY, NO_PART, NO_TERM, Record, Store};

impl Store {
    /// Makes several frames one, in which the caller's reference to each of them
    /// goes up. `None`, and nothing done, where they do not stand side by side, or
    /// one has a deadline, a key, a stream or memory of its own.
    pub(crate) fn merge(&mut self, parts: &[FrameId]) -> Option<FrameId> {
        let (&[first, ..], messages) = (parts, u16::try_from(parts.len()).ok()?) else {
            return None;
        };
        let head = self.records[first.0];
        let mut end = head.offset;
        for part in parts {
            let part = &self.records[part.0];
            let fits = part.run == head.run
                && part.offset == end
                && part.rank == head.rank
                && part.body == NO_BODY
                && part.term == NO_TERM;
            if !fits || messages < 2 {
                return None;
            }
            end += part.inline;
        }
        for (at, part) in parts.iter().enumerate() {
            let record = &mut self.records[part.0];
            record.is_part = true;
            record.next = parts.get(at + 1).map_or(NO_PART, |next| next.0);
        }
        #[cfg(any(test, feature = "testing"))]
        {
            self.batches[0] += 1;
        }
        let batch = Record {
            inline: end - head.offset,
            len: end - head.offset,
            refs: 1,
            next: first.0,
            messages,
            is_part: false,
            ..head
        };
        // Its bytes are those of its parts.
        Some(self.enter(batch, 0))
    }

    /// Returns whether all of a frame stands in a run, and it has no deadline, key or stream.
    pub(crate) fn is_in_run(&self, id: FrameId) -> bool {
        let record = &self.records[id.0];
        record.body == NO_BODY && record.term == NO_TERM
    }

    /// Copies a frame that [stands in a run](Self::is_in_run) to where the next one is put.
    pub(crate) fn copy(&mut self, id: FrameId) -> FrameId {
        let Record {
            run,
            offset,
            inline,
            rank,
            born,
            header,
            shared,
            ..
        } = self.records[id.0];
        debug_assert!(self.is_in_run(id));
        let mut bytes = core::mem::take(&mut self.packed);
        bytes.extend_from_slice(self.span(run, offset, inline));
        let copy = self.adopt(rank, &bytes);
        bytes.clear();
        self.packed = bytes;
        let record = &mut self.records[copy.0];
        (record.born, record.header, record.shared) = (born, header, shared);
        copy
    }

    /// Returns how many messages the frame is.
    pub(crate) fn messages(&self, id: FrameId) -> u32 {
        self.records[id.0].messages.into()
    }

    /// Returns the parts of a batch, in order; none of any other frame.
    pub(crate) fn parts(&self, id: FrameId) -> impl Iterator<Item = FrameId> {
        let record = self.records[id.0];
        let first = if record.messages > 1 {
            record.next
        } else {
            NO_PART
        };
        core::iter::successors(self.part(first), |part| {
            self.part(self.records[part.0].next)
        })
    }

    /// Turns a reference to a batch into one to each of its parts.
    pub(crate) fn split(&mut self, id: FrameId) {
        let mut at = self.records[id.0].next;
        while let Some(part) = self.part(at) {
            self.retain(part);
            at = self.records[part.0].next;
        }
        #[cfg(any(test, feature = "testing"))]
        {
            self.batches[1] += 1;
        }
        self.release(id);
    }

    const fn part(&self, at: u32) -> Option<FrameId> {
        if at == NO_PART {
            None
        } else {
            Some(FrameId(at))
        }
    }

    /// Ends a batch that nobody refers to any more.
    #[cold]
    pub(super) fn release_parts(&mut self, run: u32, next: u32) {
        let mut at = next;
        while let Some(part) = self.part(at) {
            let part = &mut self.records[part.0];
            part.is_part = false;
            at = part.next;
        }
        // Only now: to leave a run can move what else stands there.
        self.leave_run(run, 0);
        let mut at = next;
        while let Some(part) = self.part(at) {
            at = core::mem::replace(&mut self.records[part.0].next, NO_PART);
            self.release(part);
        }
    }

    /// Takes note that a frame, and if it is a batch all its parts, stand in this
    /// run now, from this offset on.
    pub(super) fn move_to(&mut self, id: u32, run: u32, offset: u32) {
        let record = &mut self.records[id];
        (record.run, record.offset) = (run, offset);
        if record.messages == 1 {
            let inline = record.inline;
            self.enter_run(run, id, inline);
            return;
        }
        let (mut at, mut offset) = (record.next, offset);
        self.enter_run(run, id, 0);
        while let Some(part) = self.part(at) {
            let record = &mut self.records[part.0];
            (record.run, record.offset) = (run, offset);
            offset += record.inline;
            at = record.next;
            let inline = record.inline;
            self.enter_run(run, part.0, inline);
        }
    }
}
