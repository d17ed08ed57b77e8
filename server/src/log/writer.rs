//! Writer of log lines, which also reports how many were dropped.

use std::io::{ErrorKind, Write};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::queue::{LineQueue, LogLines};

/// State of the thread that writes the log.
pub(super) struct Writer<'a, W> {
    queue: &'a LineQueue,
    out: W,
    batch: LogLines,
    /// Whether the last write was complete.
    works: bool,
    /// Whether the last write ended within a line.
    is_cut: bool,
    /// Number of dropped lines that were reported.
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

    /// Waits for lines and writes them. Passes the number of dropped lines to `report` once the
    /// destination accepts lines again, at most every [`REPORT_INTERVAL`] unless the queue is
    /// flushed.
    pub(super) fn write_next(&mut self, report: impl FnOnce(u64)) {
        let until = (self.unreported() > 0).then_some(self.next_report);
        self.queue.take(&mut self.batch, until);
        // The report belongs where lines are missing: behind this batch, before later lines.
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

    /// Returns the number of lines to report. It is 0 while nothing can be written: the report would
    /// be lost as well, and cause another.
    fn unreported(&self) -> u64 {
        let dropped = if self.works { self.queue.dropped() } else { 0 };
        dropped.saturating_sub(self.reported)
    }

    /// Writes as much as possible and returns the number of complete lines written.
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

/// Writes as much as possible and returns the number of bytes written.
fn write(out: &mut impl Write, bytes: &[u8]) -> usize {
    let mut written = 0;
    while written < bytes.len() {
        match out.write(&bytes[written..]) {
            Ok(0) => break,
            Ok(n) => written += n,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another process that shares the pipe or terminal may have made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => sleep(RETRY),
            Err(_) => break,
        }
    }
    written
}

/// Minimum time between two reports of dropped lines.
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Time between two attempts to write to a non-blocking destination.
const RETRY: Duration = Duration::from_millis(10);

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    /// A destination that accepts `room` bytes and then fails, with interruptions.
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

    /// Writes these lines and returns the text written. Checks the number of lines reported.
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
    fn dropped_lines_are_counted_and_reported_once_writing_succeeds() {
        let queue = LineQueue::new(100, 1_000);
        let out = Limited {
            taken: Vec::new(),
            room: 18,
            calls: 0,
        };
        let writer = &mut Writer::new(&queue, out);
        assert_eq!(write_all(writer, &["line 1\n"], None), "line 1\n");
        // The third does not fit, and the second only in part.
        let two = ["line 2\n", "line 3\n"];
        assert_eq!(write_all(writer, &two, None), "line 2\nline");
        assert_eq!(queue.dropped(), 1);
        // Nor does the end of the second.
        assert_eq!(write_all(writer, &two, None), "");
        assert_eq!(queue.dropped(), 3);
        writer.out.room = usize::MAX;
        assert_eq!(write_all(writer, &["line 4\n"], None), "\nline 4\n");
        assert_eq!(write_all(writer, &["line 5\n"], Some(3)), "line 5\n");
        let both = "(report)\nline 6\n";
        assert_eq!(write_all(writer, &["line 6\n"], None), both);
        // Not again before the interval is over, and then without a further line.
        queue.count_dropped(2);
        writer.next_report = Instant::now() + Duration::from_secs(3_600);
        assert_eq!(write_all(writer, &["line 7\n"], None), "line 7\n");
        writer.next_report = Instant::now();
        assert_eq!(write_all(writer, &[], Some(2)), "");
        assert_eq!(write_all(writer, &[], None), "(report)\n");
        assert_eq!(queue.dropped(), 5);
    }
}
