//! Queue of the log lines of the process, and the subscriber that fills it.

use std::io::{self, IsTerminal as _};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing::subscriber::set_global_default;
use tracing::{Event, Metadata, Subscriber, error};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::level;
use super::panic;
use super::queue::LineQueue;
use super::writer::Writer;
use crate::{LogFormat, Settings};

/// Sends `tracing` events and panics to standard error, as `--log` and `--log-format` specify.
/// Colours appear on a terminal only, unless `NO_COLOR` is set. A second call has no effect.
///
/// Installs the subscriber and the panic hook of the process, and handles `SIGXFSZ`, which a log
/// file at its size limit raises. Keep the guard until the program ends.
///
/// # Errors
/// Returns an error if the operating system provides no thread or signal handler.
pub fn init(settings: &Settings) -> io::Result<LogGuard> {
    let mut is_first = false;
    let queue = QUEUE.get_or_init(|| {
        is_first = true;
        LineQueue::new(settings.log_queue_lines, settings.log_queue_bytes)
    });
    if is_first {
        start(settings, queue)?;
    }
    Ok(LogGuard(queue))
}

/// Returns the number of log lines lost so far: to a full queue, or to a failed write.
#[must_use]
pub fn dropped_lines() -> u64 {
    QUEUE.get().map_or(0, LineQueue::dropped)
}

/// Writes the queued lines of a process that is about to be aborted. Waits at most
/// [`ABORT_TIMEOUT`].
pub(crate) fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(Instant::now() + ABORT_TIMEOUT);
    }
}

/// Time limit for writing the queued lines before the process is aborted.
const ABORT_TIMEOUT: Duration = Duration::from_millis(500);

/// Writes the queued lines when it is dropped. Waits at most [`Self::FLUSH_TIMEOUT`], so that a
/// blocked destination does not keep a program from ending.
#[derive(Debug)]
#[must_use = "lines still queued at the end of the program are lost"]
pub struct LogGuard(&'static LineQueue);

impl LogGuard {
    /// Time limit for writing the queued lines at the end of a program.
    pub const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.0.flush(Instant::now() + Self::FLUSH_TIMEOUT);
    }
}

/// One per process, like the subscriber.
static QUEUE: OnceLock<LineQueue> = OnceLock::new();

fn start(settings: &Settings, queue: &'static LineQueue) -> io::Result<()> {
    #[cfg(unix)]
    // With a handler, a write to a file at its limit fails; without one, the process ends.
    signal_hook::flag::register(
        signal_hook::consts::SIGXFSZ,
        Arc::new(AtomicBool::new(false)),
    )?;
    level::set(settings.log_level);
    let run = move || {
        let mut writer = Writer::new(queue, io::stderr());
        loop {
            writer.write_next(report);
        }
    };
    thread::Builder::new().name("log".into()).spawn(run)?;
    let no_color = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let builder = tracing_subscriber::fmt()
        // The level may change, so the sink knows it.
        .with_max_level(LevelFilter::TRACE)
        .with_writer(LogSink(queue))
        .with_ansi(io::stderr().is_terminal() && !no_color)
        // A failed write would otherwise be reported with `eprintln!`, which panics.
        .log_internal_errors(false);
    let installed = match settings.log_format {
        LogFormat::Text => set_global_default(builder.finish().with(LogSink(queue))),
        LogFormat::Json => {
            let json = builder.json().flatten_event(true);
            set_global_default(json.finish().with(LogSink(queue)))
        }
    };
    if installed.is_ok() {
        panic::log_panics();
    }
    Ok(())
}

/// Logs that lines were lost.
fn report(lines: u64) {
    error!(lines, "log lines were dropped");
}

/// The queue as a writer and a filter of `tracing-subscriber`.
#[derive(Clone, Copy)]
struct LogSink(&'static LineQueue);

impl LogSink {
    /// The [`report`] is queued even if the queue is full.
    fn has_priority(metadata: &Metadata<'_>) -> bool {
        metadata.target() == module_path!()
    }
}

/// Drops events that are not severe enough, and those that do not fit, before they are formatted.
impl<S: Subscriber> Layer<S> for LogSink {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        level::is_enabled(metadata)
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        Self::has_priority(event.metadata()) || self.0.may_take()
    }
}

impl MakeWriter<'_> for LogSink {
    type Writer = LineWriter;

    fn make_writer(&self) -> LineWriter {
        let (queue, has_priority) = (self.0, false);
        LineWriter {
            queue,
            has_priority,
        }
    }

    fn make_writer_for(&self, metadata: &Metadata<'_>) -> LineWriter {
        LineWriter {
            queue: self.0,
            has_priority: Self::has_priority(metadata),
        }
    }
}

/// Queues the text of one event, which arrives in one write.
struct LineWriter {
    queue: &'static LineQueue,
    has_priority: bool,
}

impl io::Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.queue.push(line, self.has_priority);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
