//! Bounded queue of log lines, between the threads that log and the one that writes.
//!
//! Lines are stored in one buffer: adding one copies it, and allocates nothing once the buffer has
//! grown. The lock is held for that copy or to swap the buffer, never during a write.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Lines that wait to be written, with limits on their number and their size. Lines that do not fit
/// are dropped and counted.
#[derive(Debug)]
pub(super) struct LineQueue {
    state: Mutex<QueueState>,
    /// Wakes the writer.
    wake: Condvar,
    /// Wakes those who wait until the writer is idle.
    idle: Condvar,
    max_lines: usize,
    max_bytes: usize,
    /// Whether a line did not fit since the last [`take`](Self::take). Read without the lock.
    full: AtomicBool,
    dropped: AtomicU64,
}

#[derive(Debug, Default)]
struct QueueState {
    pending: LogLines,
    /// Whether the writer waits for lines.
    is_idle: bool,
    /// Whether a [`flush`](LineQueue::flush) waits.
    is_flushing: bool,
}

/// Lines in one buffer.
#[derive(Debug, Default)]
pub(super) struct LogLines {
    bytes: Vec<u8>,
    /// The end of each line.
    ends: Vec<usize>,
}

impl LineQueue {
    pub(super) fn new(max_lines: usize, max_bytes: usize) -> Self {
        Self {
            state: Mutex::default(),
            wake: Condvar::new(),
            idle: Condvar::new(),
            max_lines,
            max_bytes,
            full: AtomicBool::new(false),
            dropped: AtomicU64::new(0),
        }
    }

    /// Returns whether a line may fit. Otherwise counts it as dropped, so that it need not be
    /// formatted.
    pub(super) fn may_take(&self) -> bool {
        let is_full = self.full.load(Ordering::Relaxed);
        if is_full {
            self.count_dropped(1);
        }
        !is_full
    }

    /// Adds a line if it fits or has priority.
    pub(super) fn push(&self, line: &[u8], has_priority: bool) {
        let mut state = self.state();
        let LogLines { bytes, ends } = &mut state.pending;
        let fits = ends.len() < self.max_lines && bytes.len() + line.len() <= self.max_bytes;
        // If lines wait, the writer is busy or woken already.
        let wake = ends.is_empty();
        if fits || has_priority {
            bytes.extend_from_slice(line);
            ends.push(bytes.len());
        } else {
            // A line too long for an empty queue does not mean that the next one is.
            self.full.store(!ends.is_empty(), Ordering::Relaxed);
            self.count_dropped(1);
        }
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// Swaps the queued lines with an empty `batch`. If there are none, waits for a line, for `until`,
    /// or, if `until` is given, for a [`flush`](Self::flush).
    pub(super) fn take(&self, batch: &mut LogLines, until: Option<Instant>) {
        let mut state = self.state();
        loop {
            let is_over = until.is_some_and(|until| state.is_flushing || until <= Instant::now());
            if !state.pending.is_empty() || is_over {
                break;
            }
            state.is_idle = true;
            self.idle.notify_all();
            state = match until {
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    let waited = self.wake.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.is_idle = false;
        std::mem::swap(&mut state.pending, batch);
        self.full.store(false, Ordering::Relaxed);
    }

    /// Waits until everything is written or the deadline passes.
    pub(super) fn flush(&self, deadline: Instant) {
        let mut state = self.state();
        state.is_flushing = true;
        // The writer may wait for the time of its next report.
        state.is_idle = false;
        self.wake.notify_one();
        while !state.is_idle || !state.pending.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            let waited = self.idle.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.is_flushing = false;
    }

    pub(super) fn count_dropped(&self, lines: u64) {
        self.dropped.fetch_add(lines, Ordering::Relaxed);
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, QueueState> {
        // Consistent between calls, and no call panics.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LogLines {
    pub(super) const fn bytes(&self) -> &[u8] {
        self.bytes.as_slice()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) const fn lines(&self) -> usize {
        self.ends.len()
    }

    /// Returns the number of complete lines in the first `written` bytes.
    pub(super) fn whole_lines(&self, written: usize) -> usize {
        self.ends.partition_point(|&end| end <= written)
    }

    /// Returns the end of the first `lines` lines.
    pub(super) fn end_of(&self, lines: usize) -> usize {
        lines.checked_sub(1).map_or(0, |last| self.ends[last])
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn taken(queue: &LineQueue) -> String {
        let mut batch = LogLines::default();
        queue.take(&mut batch, Some(Instant::now()));
        assert_eq!(batch.lines(), batch.whole_lines(batch.bytes.len()));
        String::from_utf8(batch.bytes).expect("text")
    }

    #[test]
    fn lines_fit_up_to_their_number_and_their_size() {
        for (max_lines, max_bytes) in [(3, 100), (100, 6)] {
            let queue = LineQueue::new(max_lines, max_bytes);
            for line in ["1\n", "2\n", "3\n"] {
                assert!(queue.may_take());
                queue.push(line.as_bytes(), false);
            }
            assert_eq!(queue.dropped(), 0);
            assert!(queue.may_take(), "nothing was refused yet");
            queue.push(b"4\n", false);
            assert_eq!(queue.dropped(), 1);
            assert!(!queue.may_take());
            assert_eq!(queue.dropped(), 2);
            queue.push(b"with priority\n", true);
            assert_eq!(taken(&queue), "1\n2\n3\nwith priority\n");
            assert!(queue.may_take());
            queue.push(b"5\n", false);
            assert_eq!((taken(&queue), queue.dropped()), ("5\n".into(), 2));
        }
    }

    #[test]
    fn a_line_too_long_for_the_queue_does_not_block_others() {
        let queue = LineQueue::new(10, 4);
        queue.push(b"12345", false);
        assert_eq!(queue.dropped(), 1);
        assert!(queue.may_take());
        queue.push(b"1234", false);
        assert_eq!((taken(&queue), queue.dropped()), ("1234".into(), 1));
    }

    #[test]
    fn a_full_queue_grows_no_further() {
        let queue = LineQueue::new(1_000, 1_000);
        for _ in 0..1_000_000 {
            queue.push(b"0123456789", false);
        }
        let state = queue.state();
        assert_eq!(
            (state.pending.lines(), state.pending.bytes.len()),
            (100, 1_000)
        );
        assert!(state.pending.bytes.capacity() < 2_001 && state.pending.ends.capacity() < 201);
        assert_eq!(queue.dropped(), 1_000_000 - 100);
    }

    #[test]
    fn a_flush_ends_when_all_is_written_or_at_its_deadline() {
        let queue = &LineQueue::new(10, 10);
        queue.push(b"1", false);
        let begin = Instant::now();
        queue.flush(begin + Duration::from_millis(20));
        assert!(
            begin.elapsed() >= Duration::from_millis(20),
            "there is no writer"
        );
        let written = &Mutex::new(Vec::new());
        thread::scope(|threads| {
            threads.spawn(|| {
                let mut batch = LogLines::default();
                while !batch.bytes.ends_with(b"end") {
                    written
                        .lock()
                        .expect("no panic")
                        .extend_from_slice(&batch.bytes);
                    batch.clear();
                    queue.take(&mut batch, None);
                }
            });
            for line in [b"2", b"3"] {
                queue.push(line, false);
                queue.flush(Instant::now() + Duration::from_secs(30));
                assert!(written.lock().expect("no panic").ends_with(line));
            }
            queue.push(b"end", false);
        });
        assert_eq!(*written.lock().expect("no panic"), b"123");
    }
}
