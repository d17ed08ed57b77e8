//! What stands between the Internet and a server: proxies, unix sockets, the service manager, limits
//! for strangers.

mod foreign;
mod limits;
mod operate;
mod proxies;
mod restart;
mod sockets;
mod tls;

use std::net::SocketAddr;

use serde_json::Value;

use crate::raw::{RawSocket, get};
use crate::server::{ServerProcess, eventually};

/// Returns the address of the listener that was announced at this place.
fn listener(server: &ServerProcess, place: usize) -> SocketAddr {
    let mut address = None;
    eventually("it listens there", || {
        let mut lines = server.log().all("listening on");
        address = lines.nth(place).map(|line| line.text("address").into());
        address.is_some()
    });
    let address: String = address.expect("announced");
    address.parse().expect("an address")
}

/// Returns the peers of the connections, as the admin pages show them.
fn peers(server: &ServerProcess) -> Vec<String> {
    let line = server.log().wait_for("admin pages on");
    let admin: SocketAddr = line.text("address").parse().expect("an address");
    let mut raw = RawSocket::connect(admin);
    raw.send(&get("/connections"));
    let page: Value = serde_json::from_str(&raw.response().body).expect("JSON");
    let connections = page["connections"].as_array().expect("a list");
    let peer = |connection: &Value| connection["peer"].as_str().unwrap_or("none").into();
    let mut peers: Vec<String> = connections.iter().map(peer).collect();
    peers.sort();
    peers
}
