//! Commands that came in a request of their own, on their way to the session that they are for, which
//! may be on another shard.

use alloc::string::String;
use alloc::vec::Vec;
use core::str;

use bytes::Bytes;
use stentor_core::app::ShardTarget;
use stentor_core::{ConnId, Context, Handler, HttpResponse, ShardId};

/// The first byte of a question that carries commands. Behind it stand the name of the connection, a
/// line feed, and the commands.
const COMMANDS: u8 = 1;

/// The answer of a session that has taken them. That of a connection that is gone is empty.
const TAKEN: Bytes = Bytes::from_static(b"\x01");

/// A request that brings commands. It is held until the session has taken them.
#[derive(Debug)]
pub(crate) struct CommandPost {
    conn: ConnId,
    commands: Bytes,
    /// What a page of another origin is told.
    fields: Vec<(String, Vec<u8>)>,
}

impl CommandPost {
    pub(super) const fn new(conn: ConnId, commands: Bytes, fields: Vec<(String, Vec<u8>)>) -> Self {
        Self {
            conn,
            commands,
            fields,
        }
    }

    /// Sends the commands to the session.
    pub(crate) fn begin<H: Handler>(&mut self, ctx: &mut Context<'_, H, ()>) {
        let commands = core::mem::take(&mut self.commands);
        let question = encode(self.conn, &commands);
        ctx.ask(0, ShardTarget::One(self.conn.shard()), question);
    }

    /// Answers the request as the session has answered.
    pub(crate) fn finish<H: Handler>(
        &mut self,
        ctx: &mut Context<'_, H, ()>,
        answers: &[(ShardId, Bytes)],
    ) {
        let is_taken = answers.iter().any(|(_, answer)| *answer == TAKEN);
        let mut response = HttpResponse::new(if is_taken { 204 } else { 404 });
        for (name, value) in self.fields.drain(..) {
            response = response.field(name, value);
        }
        ctx.respond(response);
    }
}

fn encode(conn: ConnId, commands: &[u8]) -> Bytes {
    let name = alloc::format!("{conn}");
    let mut question = Vec::with_capacity(2 + name.len() + commands.len());
    question.push(COMMANDS);
    question.extend_from_slice(name.as_bytes());
    question.push(b'\n');
    question.extend_from_slice(commands);
    question.into()
}

/// Commands that have come to the shard of their session.
#[derive(Debug)]
pub(crate) struct ArrivedCommands {
    pub(crate) conn: ConnId,
    pub(crate) commands: Bytes,
}

impl ArrivedCommands {
    /// What is answered when they are taken.
    pub(crate) const TAKEN: Bytes = TAKEN;

    /// Reads a question, if it carries commands.
    pub(crate) fn decode(question: &Bytes) -> Option<Self> {
        let rest = question.strip_prefix(&[COMMANDS])?;
        let end = rest.iter().position(|&byte| byte == b'\n')?;
        let conn = str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        let commands = question.slice(question.len() - rest.len() + end + 1..);
        Some(Self { conn, commands })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_arrive_as_they_were_sent() {
        let conn: ConnId = "3.17#2".parse().expect("a name");
        for commands in [&b""[..], b"{}", b"\n\n", b"\x00\x01\xff"] {
            let arrived = ArrivedCommands::decode(&encode(conn, commands)).expect("commands");
            assert_eq!((arrived.conn, &*arrived.commands), (conn, commands));
        }
        for other in [
            &b""[..],
            b"{}",
            b"\x01",
            b"\x01\n",
            b"\x013.17#2",
            b"\x02x\n",
        ] {
            assert!(ArrivedCommands::decode(&Bytes::copy_from_slice(other)).is_none());
        }
    }
}
