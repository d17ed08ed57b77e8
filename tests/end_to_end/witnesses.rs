//! Connections that show that a fault of one peer does not affect others: they exchange messages
//! before, during and after it.

use crate::raw::RawSocket;
use crate::server::ServerProcess;

/// Two members of a room, on different shards where there are several.
pub(crate) struct Witnesses([RawSocket; 2]);

impl Witnesses {
    pub(crate) fn of(server: &ServerProcess) -> Self {
        Self([(); 2].map(|()| {
            let mut raw = RawSocket::open(server);
            raw.say("join:witnesses");
            raw.expect("joined:witnesses");
            raw
        }))
    }

    /// One says something and both hear it, and nothing else.
    pub(crate) fn talk(&mut self, about: &str) {
        self.0[0].say(&format!("msg:{about}"));
        for raw in &mut self.0 {
            raw.expect(about);
        }
    }

    /// Both hear what somebody else said.
    pub(crate) fn hear(&mut self, text: &str) {
        for raw in &mut self.0 {
            raw.expect(text);
        }
    }
}
