//! Configuration with timeouts of a few seconds, for tests of timers and of pauses.

use core::time::Duration;

use stentor_core::Config;

pub(crate) const SECOND: Duration = Duration::from_secs(1);

pub(crate) fn config() -> Config {
    Config::builder()
        .ping_interval(4 * SECOND)
        .pong_wait(6 * SECOND)
        .handshake_timeout(2 * SECOND)
        .write_timeout(3 * SECOND)
        .close_timeout(2 * SECOND)
        .shards(2)
        .build()
        .expect("in range")
}
