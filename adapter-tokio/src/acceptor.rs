//! Acceptor: takes new sockets and gives each to the shard with the fewest connections, up to the
//! connection limit. The limit is the server's.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use mio::net::TcpStream;
use stentor_core::Handler;
use stentor_core::node::TurnBudget;
use stentor_server::host::Arrival;
use stentor_server::socket::is_peer_error;
use stentor_server::{Listener, StreamMode};

use crate::readiness;
use crate::shard_handle::{DriverInput, ShardHandles};

/// Accepts sockets from one listener until the future is dropped.
pub(crate) async fn run<H: Handler>(
    listener: Listener,
    host: Arc<ShardHandles<H>>,
) -> io::Result<Infallible> {
    let listener = readiness::of_listener(listener)?;
    loop {
        let mut ready = listener.readable().await?;
        let mut taken = 0;
        while taken < TurnBudget::ACCEPTS {
            taken += 1;
            let listener = ready.get_inner();
            match listener.accept(StreamMode::NonBlocking) {
                Ok((stream, peer)) => {
                    let arrival = listener.arrival(peer);
                    if let Some(delay) = host.state.accept_delay() {
                        tokio::time::sleep(delay).await;
                    }
                    admit(TcpStream::from_std(stream), arrival, &host);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready.clear_ready();
                    break;
                }
                Err(error) if is_peer_error(&error) => {}
                Err(error) => {
                    // Usually the process has no descriptor left: accepting again at once would
                    // spin.
                    let state = &host.state;
                    state
                        .counters
                        .count_accept_error(state.clock().now(), &error);
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        drop(ready);
        // If fewer were taken, the next wait yields to other tasks anyway.
        if taken == TurnBudget::ACCEPTS {
            tokio::task::yield_now().await;
        }
    }
}

fn admit<H: Handler>(stream: TcpStream, arrival: Arrival, host: &ShardHandles<H>) {
    let Some((shard, admission)) = host.state.admit() else {
        return;
    };
    // On Linux a socket inherits this option from its listener.
    #[cfg(not(target_os = "linux"))]
    let _ = stream.set_nodelay(true);
    host.post_input(shard, DriverInput::Socket(stream, arrival, admission));
}

const PAUSE: Duration = Duration::from_millis(50);
