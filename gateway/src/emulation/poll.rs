//! Long polling: sessions whose replies are taken in answers to requests. What a request and an
//! answer have, and a request on its way to its session, which may be on another shard.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::str;
use core::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use stentor_core::app::{ShardRequest, ShardTarget};
use stentor_core::{ConnId, Context, Handler, HttpResponse, ShardId, Timestamp};

use crate::client_protocol::json::field::{self, Object};

/// The first byte of a question that carries a poll. Behind it stand the name of the connection and
/// the acknowledged number, each with a line feed, and the commands.
const POLL: u8 = 2;

/// How much longer than a poll waits its answer may be on its way.
const GRACE: Duration = Duration::from_secs(10);

/// The content of a request.
#[derive(Deserialize)]
struct PollBody<'a> {
    #[serde(borrow, default, deserialize_with = "field::text")]
    session: Cow<'a, str>,
    #[serde(borrow, default, deserialize_with = "field::text")]
    node: Cow<'a, str>,
    #[serde(default, deserialize_with = "field::or_default")]
    seq: u64,
    #[serde(borrow, default, deserialize_with = "field::or_default")]
    commands: Vec<&'a RawValue>,
}

/// What a request asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct PollRequest {
    /// Empty if it begins a session.
    pub(super) session: String,
    /// Empty if it says none.
    pub(super) node: String,
    pub(super) seq: u64,
    /// Commands, one a line.
    pub(super) commands: Vec<u8>,
}

impl PollRequest {
    /// Reads the content of a request.
    pub(super) fn decode(body: &[u8]) -> Option<Self> {
        let Object(body): Object<PollBody<'_>> = serde_json::from_slice(body).ok()?;
        let mut commands = Vec::new();
        for command in &body.commands {
            // In JSON, a line end is white space.
            let text = command.get().bytes();
            commands.extend(text.map(|byte| if byte == b'\n' { b' ' } else { byte }));
            commands.push(b'\n');
        }
        Some(Self {
            session: body.session.into_owned(),
            node: body.node.into_owned(),
            seq: body.seq,
            commands,
        })
    }
}

/// Returns a refusal: an object with the code and a text.
pub(super) fn refusal(status: u16, message: &str) -> HttpResponse {
    HttpResponse::new(status).body("application/json", refusal_body(status, message))
}

fn refusal_body(code: u16, message: &str) -> Vec<u8> {
    #[derive(Serialize)]
    struct Refusal<'a> {
        code: u16,
        message: &'a str,
    }
    serde_json::to_vec(&Refusal { code, message }).unwrap_or_default()
}

/// A request that is held until its session answers it.
#[derive(Debug)]
pub(crate) struct PollPost {
    /// `None` if it begins a session.
    conn: Option<ConnId>,
    seq: u64,
    commands: Bytes,
    /// What a page of another origin is told.
    fields: Vec<(String, Vec<u8>)>,
}

impl PollPost {
    pub(super) fn new(
        conn: Option<ConnId>,
        seq: u64,
        commands: Vec<u8>,
        fields: Vec<(String, Vec<u8>)>,
    ) -> Self {
        Self {
            conn,
            seq,
            commands: commands.into(),
            fields,
        }
    }

    /// Returns whether it begins a session.
    pub(crate) const fn begins_session(&self) -> bool {
        self.conn.is_none()
    }

    /// Gives the poll to a session: its own, or the one that was opened for it. Without any it is
    /// refused.
    pub(crate) fn begin<H: Handler>(
        &mut self,
        ctx: &mut Context<'_, H, ()>,
        opened: Option<ConnId>,
        wait: Duration,
    ) {
        let Some(conn) = self.conn.or(opened) else {
            return self.respond(ctx, refusal(503, "no more sessions"));
        };
        let head = alloc::format!("{conn}\n{}\n", self.seq);
        let mut question = Vec::with_capacity(1 + head.len() + self.commands.len());
        question.push(POLL);
        question.extend_from_slice(head.as_bytes());
        question.extend_from_slice(&core::mem::take(&mut self.commands));
        ctx.respond_within(wait.saturating_add(GRACE));
        ctx.ask(0, ShardTarget::One(conn.shard()), question.into());
    }

    /// Answers the request as the session has answered. If it has not, it is gone.
    pub(crate) fn finish<H: Handler>(
        &mut self,
        ctx: &mut Context<'_, H, ()>,
        answers: &[(ShardId, Bytes)],
    ) {
        let answer = answers.iter().find_map(|(_, answer)| {
            let (status, body) = answer.split_first_chunk()?;
            Some((u16::from_be_bytes(*status), answer.slice_ref(body)))
        });
        let response = match answer {
            Some((status, body)) => HttpResponse::new(status).body("application/json", body),
            None => refusal(404, NO_SESSION),
        };
        self.respond(ctx, response);
    }

    fn respond<H: Handler>(&mut self, ctx: &mut Context<'_, H, ()>, mut response: HttpResponse) {
        for (name, value) in self.fields.drain(..) {
            response = response.field(name, value);
        }
        ctx.respond(response.field("Cache-Control", "no-store"));
    }
}

/// What is answered for a session that is not there.
pub(super) const NO_SESSION: &str = "no such session";

/// A poll that has come to the shard of its session.
#[derive(Debug)]
pub(crate) struct ArrivedPoll {
    pub(crate) conn: ConnId,
    pub(crate) seq: u64,
    pub(crate) commands: Bytes,
}

impl ArrivedPoll {
    /// Reads a question, if it carries a poll.
    pub(crate) fn decode(question: &Bytes) -> Option<Self> {
        let rest = question.strip_prefix(&[POLL])?;
        let mut parts = rest.splitn(3, |&byte| byte == b'\n');
        let mut text = || str::from_utf8(parts.next()?).ok();
        let (conn, seq) = (text()?.parse().ok()?, text()?.parse().ok()?);
        let commands = question.slice_ref(parts.next()?);
        Some(Self {
            conn,
            seq,
            commands,
        })
    }
}

/// The answer of a session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PollAnswer<'a> {
    /// The secret of the session and its node, for a client that does not know them.
    pub(crate) names: Option<(&'a str, u16)>,
    pub(crate) seq: u64,
    /// Replies, one a line.
    pub(crate) replies: &'a [u8],
}

impl PollAnswer<'_> {
    /// Returns it as the answer to a question.
    pub(crate) fn encode(&self) -> Bytes {
        #[derive(Serialize)]
        struct Names<'a> {
            session: &'a str,
            node: String,
        }
        let mut out = Vec::with_capacity(self.replies.len() + 128);
        out.extend_from_slice(&200_u16.to_be_bytes());
        out.push(b'{');
        if let Some((session, node)) = self.names {
            let node = alloc::format!("{node}");
            let names = serde_json::to_vec(&Names { session, node }).unwrap_or_default();
            out.extend_from_slice(names.strip_prefix(b"{").unwrap_or_default());
            out.pop();
            out.push(b',');
        }
        out.extend_from_slice(alloc::format!("\"seq\":{},\"replies\":[", self.seq).as_bytes());
        let lines = self.replies.split(|&byte| byte == b'\n');
        for (n, line) in lines.filter(|line| !line.is_empty()).enumerate() {
            if n > 0 {
                out.push(b',');
            }
            out.extend_from_slice(line);
        }
        out.extend_from_slice(b"]}");
        out.into()
    }
}

/// Returns the refusal of a poll, as the answer to a question.
pub(crate) fn refuse(status: u16, message: &str) -> Bytes {
    let body = refusal_body(status, message);
    [&status.to_be_bytes(), &*body].concat().into()
}

/// Which commands of a session have been carried out, by their numbers: a request whose answer was
/// lost is sent again with the same ones, and requests may overtake one another.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SeenCommands {
    highest: u32,
    /// Those below it, the nearest at the lowest bit.
    below: u64,
}

impl SeenCommands {
    /// Adds a number. Returns whether it was not there. One that is far below others counts as there.
    pub(crate) const fn insert(&mut self, id: u32) -> bool {
        if id > self.highest {
            let step = id - self.highest;
            let below = if step < u64::BITS {
                self.below << step
            } else {
                0
            };
            let was = if step <= u64::BITS && self.highest > 0 {
                1 << (step - 1)
            } else {
                0
            };
            self.below = below | was;
            self.highest = id;
            return true;
        }
        let distance = self.highest - id;
        if distance == 0 || distance > u64::BITS {
            return false;
        }
        let bit = 1 << (distance - 1);
        let is_new = self.below & bit == 0;
        self.below |= bit;
        is_new
    }
}

/// The state of a session that is polled.
#[derive(Debug)]
pub(crate) struct Polling {
    /// The number of the last batch that was given.
    pub(crate) given: u64,
    /// Its length in bytes, until it is acknowledged.
    pub(crate) unacknowledged: usize,
    pub(crate) waiting: Option<Box<WaitingPoll>>,
    /// When the session ends if no poll comes.
    pub(crate) detached_until: Timestamp,
    pub(crate) seen: SeenCommands,
}

impl Polling {
    /// Returns the state of a session that lasts until then if no poll comes.
    pub(crate) fn new(detached_until: Timestamp) -> Self {
        Self {
            given: 0,
            unacknowledged: 0,
            waiting: None,
            detached_until,
            seen: SeenCommands::default(),
        }
    }
}

/// A poll that waits for something to give.
#[derive(Debug)]
pub(crate) struct WaitingPoll {
    pub(crate) request: ShardRequest,
    pub(crate) until: Timestamp,
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeSet;
    use alloc::string::ToString as _;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_request_has_session_number_and_commands() {
        let body = br#" {"session":"s","seq":3,"commands":[{"id":1,
            "rpc":{}}, {}],"other":[]} "#;
        let request = PollRequest::decode(body).expect("a request");
        assert_eq!((request.session.as_str(), request.seq), ("s", 3));
        let lines: Vec<_> = request.commands.split(|&byte| byte == b'\n').collect();
        assert_eq!(lines.len(), 3);
        assert!(lines[0].starts_with(b"{\"id\":1,") && lines[1] == b"{}");
        let empty = PollRequest::decode(b"{}").expect("a request");
        assert_eq!((empty.seq, empty.commands.len()), (0, 0));
        let large = [b'['; 60_000];
        for wrong in [
            &b""[..],
            b"[]",
            b"{",
            b"null",
            br#"{"seq":-1}"#,
            br#"{"seq":1.5}"#,
            br#"{"commands":{}}"#,
            br#"{"session":5}"#,
            br#"{} {}"#,
            b"{\"session\":\"\xff\"}",
            &large,
        ] {
            assert_eq!(PollRequest::decode(wrong), None);
        }
    }

    #[test]
    fn an_answer_is_an_object_with_the_replies_in_order() {
        let text = |answer: PollAnswer<'_>| {
            let bytes = answer.encode();
            let (status, body) = bytes.split_first_chunk::<2>().expect("a status");
            assert_eq!(u16::from_be_bytes(*status), 200);
            str::from_utf8(body).expect("text").to_string()
        };
        let answer = PollAnswer {
            names: Some(("a:b", 7)),
            seq: 1,
            replies: b"{\"id\":1}\n{}\n{}\n",
        };
        assert_eq!(
            text(answer),
            r#"{"session":"a:b","node":"7","seq":1,"replies":[{"id":1},{},{}]}"#
        );
        let empty = PollAnswer {
            names: None,
            seq: u64::MAX,
            replies: b"",
        };
        assert_eq!(text(empty), r#"{"seq":18446744073709551615,"replies":[]}"#);
    }

    proptest! {
        #[test]
        fn a_command_is_new_once(ids in prop::collection::vec(1_u32..200, 0..400)) {
            let (mut seen, mut all, mut highest) = (SeenCommands::default(), BTreeSet::new(), 0);
            for id in ids {
                let is_new = seen.insert(id);
                let was_new = all.insert(id);
                highest = highest.max(id);
                if highest - id <= 64 {
                    prop_assert_eq!(is_new, was_new);
                } else {
                    prop_assert!(!is_new);
                }
            }
        }
    }
}
