//! Writes log lines to their destination, and has it said how many were lost.

use std::io::{ErrorKind, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::queue::{LineQueue, LogLines};

/// What the thread of the log keeps.
pub(super) struct Writer<'a, W> {
    queue: &'a LineQueue,
    out: W,
    batch: LogLines,
    /// Whether the last write did all that it was to.
    works: bool,
    /// Whether it left a line unfinished.
    is_cut: bool,
    /// Of the lines that were dropped, those that were reported.
    reported: u64,
    next_report: Instant,
}

impl<'a, W: Write> Writer<'a, W> {
    pub(super) fn new(queue: &'a LineQueue, out: W) -> Self {
        Self {
            queue,
            out,
            batch: LogLines::default(),
            works: true,
            is_cut: false,
            reported: 0,
            next_report: Instant::now(),
        }
    }

    /// Waits for lines and writes them. Hands the number of those that were dropped to `report`
    /// once the destination takes lines again: at once, but not more often than every
    /// [`REPORT_INTERVAL`] unless the queue is being flushed.
    pub(super) fn write_next(&mut self, report: impl FnOnce(u64)) {
        let until = (self.unreported() > 0).then_some(self.next_report);
        self.queue.take(&mut self.batch, until);
        // Where the lines are missing: behind what was taken, before what comes now.
        let (lines, now) = (self.unreported(), Instant::now());
        if lines > 0 && (now >= self.next_report || self.batch.is_empty()) {
            report(lines);
            self.reported += lines;
            self.next_report = now + REPORT_INTERVAL;
        }
        let lost = self.batch.lines() - self.write_batch();
        self.works = lost == 0;
        self.queue.count_dropped(lost as u64);
        self.batch.clear();
    }

    /// How many lines are to be reported. None while nothing can be written: the report would be
    /// lost as well, and cause another.
    fn unreported(&self) -> u64 {
        let dropped = if self.works { self.queue.dropped() } else { 0 };
        dropped.saturating_sub(self.reported)
    }

    /// Writes as much as can be, and returns how many lines are written.
    fn write_batch(&mut self) -> usize {
        if self.is_cut {
            self.is_cut = write(&mut self.out, b"\n") == 0;
        }
        if self.is_cut {
            return 0;
        }
        let written = write(&mut self.out, self.batch.bytes());
        let lines = self.batch.whole_lines(written);
        self.is_cut = written > self.batch.end_of(lines);
        lines
    }
}

/// Writes as much as can be, and returns how many bytes are written.
fn write(out: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Somebody who shares the pipe or terminal has made it so.
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(RETRY),
            Err(_) => break,
        }
    }
    written
}

/// Least time between two lines that say how many were dropped.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two attempts to write where writing does not block.
const RETRY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// A destination that takes so many bytes and then fails, with interruptions.
    struct Limited {
        taken: Vec<u8>,
        room: usize,
        calls: usize,
    }

    impl Write for Limited {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.calls += 1;
            match self.calls % 3 {
                1 => return Err(ErrorKind::Interrupted.into()),
                2 => return Err(ErrorKind::WouldBlock.into()),
                _ => {}
            }
            let n = bytes.len().min(self.room).min(4);
            if n == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            self.room -= n;
            self.taken.extend_from_slice(&bytes[..n]);
            Ok(n)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// Lets a writer write these lines, and returns what it has written. It must report so many.
    fn write_all(
        writer: &mut Writer<'_, Limited>,
        lines: &[&str],
        expected: Option<u64>,
    ) -> String {
        let queue = writer.queue;
        for line in lines {
            queue.push(line.as_bytes(), false);
        }
        let mut reported = None;
        writer.write_next(|lines| {
            reported = Some(lines);
            queue.push(b"(report)\n", true);
        });
        assert_eq!(reported, expected, "{lines:?}");
        String::from_utf8(std::mem::take(&mut writer.out.taken)).expect("text")
    }

    #[test]
    fn lines_that_cannot_be_written_are_counted_and_reported_once_others_can() {
        let queue = LineQueue::new(100, 1_000);
        let out = Limited {
            taken: Vec::new(),
            room: 18,
            calls: 0,
        };
        let writer = &mut Writer::new(&queue, out);
        assert_eq!(write_all(writer, &["line 1\n"], None), "line 1\n");
        // The third has no room, and the second only some.
        let two = ["line 2\n", "line 3\n"];
        assert_eq!(write_all(writer, &two, None), "line 2\nline");
        assert_eq!(queue.dropped(), 1);
        // Neither has what ends it.
        assert_eq!(write_all(writer, &two, None), "");
        assert_eq!(queue.dropped(), 3);
        writer.out.room = usize::MAX;
        assert_eq!(write_all(writer, &["line 4\n"], None), "\nline 4\n");
        assert_eq!(write_all(writer, &["line 5\n"], Some(3)), "line 5\n");
        let both = "(report)\nline 6\n";
        assert_eq!(write_all(writer, &["line 6\n"], None), both);
        // Not again before it is time, however many are lost; and then by itself.
        queue.count_dropped(2);
        writer.next_report = Instant::now() + Duration::from_secs(3_600);
        assert_eq!(write_all(writer, &["line 7\n"], None), "line 7\n");
        writer.next_report = Instant::now();
        assert_eq!(write_all(writer, &[], Some(2)), "");
        assert_eq!(write_all(writer, &[], None), "(report)\n");
        assert_eq!(queue.dropped(), 5);
    }
}
