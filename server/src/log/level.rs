//! What is logged: a level, and levels of targets that differ from it. An operator can replace them for
//! a time, after which what is configured counts again.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing::{Metadata, warn};
use tracing_subscriber::filter::Targets;

/// The longest time for which levels can be replaced.
pub(crate) const LONGEST: Duration = Duration::from_secs(86_400);

/// The levels that count now.
static LEVELS: RwLock<Option<Targets>> = RwLock::new(None);

static STATE: Mutex<LevelState> = Mutex::new(LevelState {
    configured: LevelFilter::OFF,
    temporary: None,
    is_watched: false,
});
/// Notified when what is temporary changes.
static CHANGED: Condvar = Condvar::new();

struct LevelState {
    configured: LevelFilter,
    temporary: Option<TemporaryLevels>,
    /// Whether a thread waits for the end of what is temporary.
    is_watched: bool,
}

/// Levels that count until then.
#[derive(Clone, Debug)]
struct TemporaryLevels {
    levels: String,
    until: Instant,
}

/// The levels, and for how long they still count if they are temporary.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Levels {
    pub(crate) levels: String,
    pub(crate) configured: String,
    pub(crate) rest: Option<Duration>,
}

/// Returns whether an event is logged. Asked once for each place in the code, until the levels change.
pub(super) fn is_enabled(metadata: &Metadata<'_>) -> bool {
    let levels = LEVELS.read().unwrap_or_else(PoisonError::into_inner);
    let levels = levels.as_ref();
    levels.is_some_and(|levels| levels.would_enable(metadata.target(), metadata.level()))
}

/// Sets the level that is configured: the least severe that is logged. While other levels are set for a
/// time, it counts after them.
pub(crate) fn set(level: LevelFilter) {
    let mut state = lock();
    state.configured = level;
    if state.temporary.is_none() {
        apply(Targets::new().with_default(level));
    }
}

/// Replaces the levels for a time: a level, and pairs as in `stentor_core=debug`, separated by commas.
///
/// # Errors
/// Returns what is wrong with them. Nothing changes.
pub(crate) fn set_for(levels: &str, time: Duration) -> Result<(), String> {
    let mut state = lock();
    let targets = parse(levels, state.configured)?;
    if !state.is_watched {
        let watch = thread::Builder::new().name("log level".into());
        watch
            .spawn(watch_end)
            .map_err(|error| format!("no thread: {error}"))?;
        state.is_watched = true;
    }
    state.temporary = Some(TemporaryLevels {
        levels: levels.into(),
        until: Instant::now() + time,
    });
    // Said as long as the old levels count: the new ones may hide it.
    let seconds = time.as_secs_f64();
    warn!(levels, seconds, "the log level has changed for a time");
    apply(targets);
    drop(state);
    CHANGED.notify_all();
    Ok(())
}

/// Has what is configured count again.
pub(crate) fn reset() {
    let mut state = lock();
    if state.temporary.is_some() {
        end(&mut state);
        CHANGED.notify_all();
    }
}

/// Returns the levels.
pub(crate) fn get() -> Levels {
    let state = lock();
    let configured = state.configured.to_string();
    let rest =
        |temporary: &TemporaryLevels| temporary.until.saturating_duration_since(Instant::now());
    Levels {
        levels: match &state.temporary {
            Some(temporary) => temporary.levels.clone(),
            None => configured.clone(),
        },
        rest: state.temporary.as_ref().map(rest),
        configured,
    }
}

fn lock() -> MutexGuard<'static, LevelState> {
    STATE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn apply(targets: Targets) {
    *LEVELS.write().unwrap_or_else(PoisonError::into_inner) = Some(targets);
    tracing::callsite::rebuild_interest_cache();
}

fn end(state: &mut LevelState) {
    state.temporary = None;
    apply(Targets::new().with_default(state.configured));
    warn!("the log level is the configured one again");
}

/// Waits until what is temporary is over.
fn watch_end() {
    let mut state = lock();
    while let Some(until) = state.temporary.as_ref().map(|temporary| temporary.until) {
        let rest = until.saturating_duration_since(Instant::now());
        if rest.is_zero() {
            end(&mut state);
            break;
        }
        let waited = CHANGED.wait_timeout(state, rest);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
    state.is_watched = false;
}

/// Parses levels. Targets without one have the `default`, unless a level stands by itself.
fn parse(text: &str, default: LevelFilter) -> Result<Targets, String> {
    let mut targets = Targets::new().with_default(default);
    for part in text.split(',').map(str::trim) {
        let level = |text: &str| {
            let level = NAMES.iter().find(|name| text.eq_ignore_ascii_case(name));
            let level = level.and_then(|name| name.parse::<LevelFilter>().ok());
            level.ok_or_else(|| format!("{text:?} is no level; there is {}", NAMES.join(", ")))
        };
        targets = match part.split_once('=') {
            None => targets.with_default(level(part)?),
            Some((target, of_target)) if is_target(target) => {
                targets.with_target(target, level(of_target)?)
            }
            Some((target, _)) => return Err(format!("{target:?} is no target")),
        };
    }
    Ok(targets)
}

const NAMES: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

fn is_target(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b':';
    !text.is_empty() && text.len() <= 128 && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn a_level_is_for_all_and_pairs_are_for_targets() {
        let levels = parse(
            "warn, stentor_core=DEBUG,stentor_core::tls=off",
            LevelFilter::INFO,
        );
        let levels = levels.expect("levels");
        for (target, level, expected) in [
            ("other", Level::WARN, true),
            ("other", Level::INFO, false),
            ("stentor_core::shard", Level::DEBUG, true),
            ("stentor_core", Level::TRACE, false),
            ("stentor_core::tls", Level::ERROR, false),
        ] {
            assert_eq!(
                levels.would_enable(target, &level),
                expected,
                "{target} {level}"
            );
        }
        let levels = parse("a=trace", LevelFilter::INFO).expect("levels");
        assert!(levels.would_enable("b", &Level::INFO) && !levels.would_enable("b", &Level::DEBUG));
    }

    #[test]
    fn what_is_no_level_is_refused() {
        for text in [
            "",
            "loud",
            "debug,",
            "a=",
            "=debug",
            "a=b=debug",
            "a b=debug",
            "5",
            "a=5",
        ] {
            assert!(parse(text, LevelFilter::INFO).is_err(), "{text}");
        }
    }
}
