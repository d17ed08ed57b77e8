//! Placement of frames: the run for the next frame, and the emptying of runs with few live bytes.

use crate::delivery::frame::run::{RUN, Run};
use crate::delivery::frame::store::{SPARE_RUNS, Store};

impl Store {
    /// Takes note of a frame in a run, and of how many bytes there are its own.
    #[inline]
    pub(super) fn enter_run(&mut self, run: u32, id: u32, inline: u32) {
        let run = &mut self.runs[run];
        if run.frames.len() == run.frames.capacity() {
            self.list_bytes += run.grow_list();
        }
        run.frames.push(id);
        run.live += 1;
        run.live_bytes += inline;
    }

    /// Returns the open run and the offset in it where so many bytes fit; closes it and
    /// opens another where they do not.
    pub(super) fn room_for(&mut self, len: usize) -> (u32, u32) {
        if !self.runs[self.open].has_room(len) {
            let full = self.open;
            self.open_another();
            self.settle(full);
        }
        self.end_of_open()
    }

    fn open_another(&mut self) {
        self.open = self.spare.pop().unwrap_or_else(|| {
            self.held_runs += 1;
            self.runs.insert(Run::default())
        });
        self.least_spare = self.least_spare.min(self.spare.len());
    }

    fn end_of_open(&mut self) -> (u32, u32) {
        let run = &mut self.runs[self.open];
        if run.bytes.capacity() == 0 {
            run.bytes.reserve_exact(RUN);
        }
        (self.open, run.bytes.len() as u32)
    }

    pub(super) fn leave_run(&mut self, at: u32, inline: u32) {
        let run = &mut self.runs[at];
        run.live -= 1;
        run.live_bytes -= inline;
        if at != self.open {
            self.settle(at);
        } else if run.live == 0 {
            run.reset();
        }
    }

    /// Sees to a run that takes no more frames: keeps its memory for another
    /// once nothing in it is wanted, and moves the rest away once little is.
    /// Without that, a few laggards would pin a whole run for each frame they lag.
    fn settle(&mut self, at: u32) {
        let run = &mut self.runs[at];
        if run.live > 0 && run.is_sparse() {
            self.evacuate(at);
        }
        let run = &mut self.runs[at];
        if run.live == 0 {
            run.reset();
            if self.spare.len() < SPARE_RUNS {
                self.spare.push(at);
            } else {
                self.give_memory_back(at);
            }
        }
    }

    /// Lets go of the memory of a run in which nothing is wanted.
    pub(super) fn give_memory_back(&mut self, at: u32) {
        self.list_bytes -= self.runs[at].list_bytes();
        self.held_runs -= 1;
        self.runs.remove(at);
    }

    /// Moves what is still wanted in a closed run to the open one.
    fn evacuate(&mut self, at: u32) {
        debug_assert_ne!(self.open, at, "the open run is never emptied");
        #[cfg(any(test, feature = "testing"))]
        {
            self.evacuated += 1;
        }
        let mut from = core::mem::take(&mut self.runs[at]);
        for &id in &from.frames {
            // An id that was freed may name a frame elsewhere by now, or one
            // that was put here later and is moved at its first mention. A part
            // goes where its batch goes.
            let Some(&record) = self.records.get(id as usize) else {
                continue;
            };
            if record.refs == 0 || record.run != at || record.is_part {
                continue;
            }
            let start = record.offset as usize;
            // A run that this closes is not settled here: its next release does.
            if !self.runs[self.open].has_room(record.inline as usize) {
                self.open_another();
            }
            let (run, offset) = self.end_of_open();
            self.runs[run]
                .bytes
                .extend_from_slice(&from.bytes[start..start + record.inline as usize]);
            self.move_to(id, run, offset);
        }
        from.live = 0;
        self.runs[at] = from;
    }
}
