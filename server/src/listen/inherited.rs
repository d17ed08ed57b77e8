//! Listeners that the service manager has opened (systemd socket activation, `sd_listen_fds(3)`).

use std::io::{self, ErrorKind};
use std::sync::{LazyLock, Mutex, PoisonError};

use listenfd::ListenFd;

use super::listener::Listener;

/// The sockets that are not taken yet, with their names.
static INHERITED: LazyLock<Mutex<(ListenFd, Vec<String>)>> = LazyLock::new(|| {
    // Before the sockets are taken over, which removes the variables.
    let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
    let names = names.split(':').map(Into::into).collect();
    Mutex::new((ListenFd::from_env(), names))
});

/// Takes over the sockets of this name, or all that are left.
///
/// # Errors
/// Returns an error if there is none, or if one is neither of TCP nor a unix stream socket.
pub(super) fn take(name: Option<&str>) -> io::Result<Vec<Listener>> {
    let mut inherited = INHERITED.lock().unwrap_or_else(PoisonError::into_inner);
    let (sockets, names) = &mut *inherited;
    let mut listeners = Vec::new();
    for at in 0..sockets.len() {
        let of = names.get(at).map_or("", String::as_str);
        if name.is_some_and(|name| name != of) {
            continue;
        }
        // The other kind leaves a socket where it is.
        match sockets.take_tcp_listener(at) {
            Ok(Some(listener)) => listeners.push(Listener::tcp(listener)),
            Ok(None) => {}
            Err(_) => {
                let Some(listener) = sockets.take_unix_listener(at)? else {
                    continue;
                };
                let address = listener.local_addr()?;
                let path = address.as_pathname().map(Into::into);
                listeners.push(Listener::unix(listener.into(), path, None));
            }
        }
    }
    match listeners.is_empty() {
        true => Err(io::Error::new(
            ErrorKind::NotFound,
            "the service manager has passed no such socket",
        )),
        false => Ok(listeners),
    }
}
