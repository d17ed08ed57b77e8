//! State file: the streams of a server that has ended, for the next one to start with.
//!
//! The file is removed when it is read, before anything is served: after a crash, the streams of an
//! earlier end would give offsets again that clients know with other publications.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use stentor_core::channels::{SavedError, SavedPart, SavedStreams, SavedWriter};
use tracing::{error, info, warn};

use crate::host::{Host, ShardInput};
use crate::inspect::{AdminBackend as _, AdminQuery};

/// Where the file is, and its bounds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct StateFile {
    pub(crate) path: PathBuf,
    /// The longest file that is written or read, in bytes.
    pub(crate) max_bytes: u64,
    /// The age from which on a file is not used.
    pub(crate) max_age: Duration,
}

/// Why a file is not used.
#[derive(Debug)]
enum Refusal {
    /// It is no file of this version, or it is damaged.
    Content(SavedError),
    /// It is older than it may be.
    TooOld(Duration),
    /// It is longer than it may be.
    TooLong(u64),
    /// It could not be read, or not be removed.
    System(io::Error),
}

/// The labels of the refusals.
pub(crate) const CAUSES: [&str; 7] = [
    "foreign",
    "version",
    "checksum",
    "malformed",
    "too_old",
    "too_long",
    "system",
];

impl Refusal {
    const fn label(&self) -> &'static str {
        match self {
            Self::Content(error) => error.label(),
            Self::TooOld(_) => "too_old",
            Self::TooLong(_) => "too_long",
            Self::System(_) => "system",
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Content(error) => error.fmt(f),
            Self::TooOld(age) => write!(f, "it is {} s old", age.as_secs()),
            Self::TooLong(bytes) => write!(f, "it has {bytes} bytes"),
            Self::System(error) => error.fmt(f),
        }
    }
}

impl StateFile {
    /// Gives the streams in the file to the shards, which have no connections yet. Without a file, or
    /// with one that cannot be used, they begin without streams.
    pub(crate) fn restore<N: Host>(&self, host: &N) {
        let path = self.path.display();
        match self.take(unix_time()) {
            Ok(None) => {}
            Ok(Some((saved, elapsed))) => {
                let streams = saved.streams.len();
                info!(%path, streams, "streams are restored from the state file");
                let state = host.state();
                state.pace.begin(state.clock().now());
                let saved = Arc::new(saved);
                for shard in host.state().limiter.shards() {
                    let streams = saved.clone();
                    host.post(shard, ShardInput::Restore { streams, elapsed });
                }
            }
            Err(refusal) => {
                host.state().counters.count_state_refused(refusal.label());
                warn!(%path, error = %refusal, "the state file is not used");
            }
        }
    }

    /// Writes the streams of the shards, which have drained. Those of a shard that does not answer are
    /// missing.
    pub(crate) fn save<N: Host>(&self, host: &N) {
        let shards: Vec<_> = host.state().limiter.shards().collect();
        let mut writer = SavedWriter::new(unix_time(), self.max_bytes as usize);
        let (mut streams, mut shortened) = (0, 0);
        for (_, answer) in host.ask(&shards, &Arc::new(AdminQuery::Streams)) {
            for stream in answer.streams() {
                let part = writer.push(&stream);
                streams += u64::from(part != SavedPart::Nothing);
                shortened += u64::from(part != SavedPart::Whole);
            }
        }
        let path = self.path.display();
        match self.write(&writer.finish()) {
            Ok(()) => info!(%path, streams, shortened, "streams are saved in the state file"),
            Err(error) => error!(%path, %error, "the state file is not written"),
        }
    }

    /// Reads the file and removes it. Returns the streams and the time since they were saved.
    fn take(&self, now: Duration) -> Result<Option<(SavedStreams, Duration)>, Refusal> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            file => file.map_err(Refusal::System)?,
        };
        let bytes = file.metadata().map_err(Refusal::System)?.len();
        if bytes > self.max_bytes {
            return Err(Refusal::TooLong(bytes));
        }
        let mut content = Vec::new();
        // It may be longer by now.
        let read = file.take(self.max_bytes).read_to_end(&mut content);
        read.map_err(Refusal::System)?;
        let saved = SavedStreams::read(&content).map_err(Refusal::Content)?;
        drop(content);
        let elapsed = now.saturating_sub(saved.saved_at);
        if elapsed > self.max_age {
            return Err(Refusal::TooOld(elapsed));
        }
        fs::remove_file(&self.path).map_err(Refusal::System)?;
        sync_folder(&self.path).map_err(Refusal::System)?;
        Ok(Some((saved, elapsed)))
    }

    /// Writes the file beside its place, and moves it there.
    fn write(&self, content: &[u8]) -> io::Result<()> {
        let mut name = self.path.clone().into_os_string();
        name.push(".new");
        let beside = PathBuf::from(name);
        match fs::remove_file(&beside) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, &self.path)?;
        sync_folder(&self.path)
    }
}

/// Makes a change of the names in the folder of a file last.
fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    File::open(folder.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn unix_time() -> Duration {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn file(name: &str) -> StateFile {
        let name = format!("stentor-state-{}-{name}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_file(&path);
        StateFile {
            path,
            max_bytes: 1 << 10,
            max_age: Duration::from_secs(60),
        }
    }

    #[test]
    fn a_file_is_private_and_read_once() {
        let file = file("once");
        assert!(file.take(unix_time()).expect("no file").is_none());
        let saved_at = Duration::from_secs(1_000);
        file.write(&SavedWriter::new(saved_at, 1 << 10).finish())
            .expect("written");
        let mode = fs::metadata(&file.path).expect("a file").permissions();
        assert_eq!(mode.mode() & 0o777, 0o600);
        let later = saved_at + Duration::from_secs(60);
        let (saved, elapsed) = file.take(later).expect("valid").expect("a file");
        assert_eq!((saved.saved_at, elapsed.as_secs()), (saved_at, 60));
        assert!(file.take(later).expect("removed").is_none());
        assert!(!file.path.with_extension("new").exists());
    }

    #[test]
    fn a_file_that_is_old_or_long_or_damaged_is_not_used() {
        let file = file("not-used");
        let saved_at = Duration::from_secs(1_000);
        let content = SavedWriter::new(saved_at, 1 << 10).finish();
        let label = |content: &[u8], now: u64| {
            fs::write(&file.path, content).expect("written");
            let refused = file.take(Duration::from_secs(now)).expect_err("refused");
            assert!(!refused.to_string().is_empty());
            refused.label()
        };
        assert_eq!(label(&content, 1_061), "too_old");
        assert_eq!(
            label(&[&content[..], &[0; 1 << 10]].concat(), 1_000),
            "too_long"
        );
        assert_eq!(label(&content[..content.len() - 1], 1_000), "checksum");
        assert_eq!(label(b"something else", 1_000), "foreign");
        // A clock that was set back.
        fs::write(&file.path, &content).expect("written");
        let taken = file.take(Duration::from_secs(900)).expect("valid");
        assert_eq!(taken.expect("a file").1, Duration::ZERO);
    }
}
