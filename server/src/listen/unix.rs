//! Listeners on unix sockets: the file, its mode, and one that a process has left behind.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use socket2::{Domain, SockAddr, Socket, Type};
use tracing::info;

use super::listener::Listener;
use super::{BACKLOG, with_name};

/// The file of a unix socket. It is removed with the value, unless another socket has its place.
#[derive(Debug)]
pub(super) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|file| identity(&file) == self.identity) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

/// Opens a listener with this path, whose file gets this mode before anybody can connect. Replaces
/// the file of a socket on which no process listens any more.
///
/// # Errors
/// Returns the error of the operating system with the name, of the kind
/// [`AddrInUse`](ErrorKind::AddrInUse) if a process listens there, or there is another file.
pub(super) fn open(name: &str, path: &Path, mode: u32) -> io::Result<Listener> {
    open_path(path, mode).map_err(|error| with_name(name, &error))
}

fn open_path(path: &Path, mode: u32) -> io::Result<Listener> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    let address = SockAddr::unix(path)?;
    match socket.bind(&address) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path)?;
            socket.bind(&address)?;
        }
        bound => bound?,
    }
    let file = SocketFile {
        path: path.into(),
        identity: identity(&fs::symlink_metadata(path)?),
    };
    // Nobody can connect before it listens.
    fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
    socket.listen(BACKLOG)?;
    Ok(Listener::unix(socket.into(), Some(path.into()), Some(file)))
}

/// Removes the file of a socket on which nobody listens.
fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::Error::new(
            ErrorKind::AddrInUse,
            "there is a file that is no socket",
        ));
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            info!(path = %path.display(), "removing a socket that nobody listens on");
            fs::remove_file(path)
        }
        _ => Err(ErrorKind::AddrInUse.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::process;

    use super::super::listener::StreamMode;
    use super::*;

    fn path(name: &str) -> PathBuf {
        let folder = std::env::temp_dir();
        let path = folder.join(format!("stentor-{}-{name}", process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn a_socket_has_its_mode_and_goes_with_its_listener() {
        let path = path("mode");
        for mode in [0o600, 0o660, 0o666] {
            let listener = open("x", &path, mode).expect("a free path");
            let file = fs::metadata(&path).expect("a file");
            assert_eq!(file.permissions().mode() & 0o777, mode);
            assert!(listener.to_string().starts_with("unix:/"));
            assert_eq!(listener.address(), None);
            let waiting = listener.accept(StreamMode::NonBlocking);
            assert_eq!(waiting.expect_err("nobody").kind(), ErrorKind::WouldBlock);
            let _peer = UnixStream::connect(&path).expect("it listens");
            let (_, peer) = listener.accept(StreamMode::NonBlocking).expect("a peer");
            assert_eq!(peer, None);
            drop(listener);
            assert!(!path.exists());
        }
    }

    #[test]
    fn a_stale_file_is_replaced_and_a_live_one_is_an_error() {
        let path = path("stale");
        let first = open("the first", &path, 0o600).expect("a free path");
        let error = open("the second", &path, 0o600).expect_err("in use");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert!(error.to_string().starts_with("the second"), "{error}");
        // As after a crash.
        let Listener { .. } = &first;
        let stale = std::os::unix::net::UnixListener::bind(path.with_extension("2"));
        drop(stale.expect("a free path"));
        let second = open("x", &path.with_extension("2"), 0o600).expect("stale");
        drop((first, second));
        fs::write(&path, b"text").expect("a file");
        let error = open("x", &path, 0o600).expect_err("another file");
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::read(&path).expect("untouched"), b"text");
        fs::remove_file(&path).expect("a file");
    }
}
