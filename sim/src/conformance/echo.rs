//! Cases of the echo application: the protocol of one connection.

use stentor_core::MessageType;
use stentor_core::testing::wire::Opcode::{
    Binary, Close, Continuation, Ping, Pong as PongFrame, Text,
};

use super::Application::Echo;
use super::CaseStep::{Closed, End, Frame, Hear, Open, Pong, Raw, Say, Shut};
use super::Data::{Bytes, Of};
use super::Fin::{Last, More};
use super::{Case, CaseStep};

pub(super) const CASES: &[Case] = &[
    case(
        "text comes back as text",
        &[
            Open,
            Frame(0, Text, Last, Bytes("grüezi".as_bytes())),
            Hear(0, MessageType::Text, Bytes("grüezi".as_bytes())),
        ],
    ),
    case(
        "bytes come back as bytes",
        &[
            Open,
            Frame(0, Binary, Last, Bytes(b"\xFF\x00\xC0")),
            Hear(0, MessageType::Binary, Bytes(b"\xFF\x00\xC0")),
        ],
    ),
    case(
        "every form of length",
        &[
            Open,
            Frame(0, Text, Last, Of(b'x', 0)),
            Hear(0, MessageType::Text, Of(b'x', 0)),
            Frame(0, Text, Last, Of(b'x', 125)),
            Hear(0, MessageType::Text, Of(b'x', 125)),
            Frame(0, Text, Last, Of(b'x', 126)),
            Hear(0, MessageType::Text, Of(b'x', 126)),
            Frame(0, Binary, Last, Of(7, 65_535)),
            Hear(0, MessageType::Binary, Of(7, 65_535)),
            Frame(0, Binary, Last, Of(7, 65_536)),
            Hear(0, MessageType::Binary, Of(7, 65_536)),
        ],
    ),
    case(
        "messages in one segment come back in order, each in a frame of its own",
        &[
            Open,
            Say(0, &["one", "two", "", "three"]),
            Hear(0, MessageType::Text, Bytes(b"one")),
            Hear(0, MessageType::Text, Bytes(b"two")),
            Hear(0, MessageType::Text, Bytes(b"")),
            Hear(0, MessageType::Text, Bytes(b"three")),
        ],
    ),
    case(
        "fragments are one message, with control frames between them",
        &[
            Open,
            Frame(0, Text, More, Bytes(b"\xF0\x9F")),
            Frame(0, Ping, Last, Bytes(b"are you there")),
            Pong(0, Bytes(b"are you there")),
            Frame(0, Continuation, More, Bytes(b"")),
            Frame(0, PongFrame, Last, Bytes(b"nobody asked")),
            Frame(0, Continuation, Last, Bytes(b"\x90\xB1")),
            Hear(0, MessageType::Text, Bytes("🐱".as_bytes())),
        ],
    ),
    case(
        "a ping of the greatest length",
        &[Open, Frame(0, Ping, Last, Of(9, 125)), Pong(0, Of(9, 125))],
    ),
    case(
        "a close frame is answered with its code",
        &[
            Open,
            Frame(0, Close, Last, Bytes(b"\x0F\xA0bye")),
            Closed(0, Some(4_000)),
        ],
    ),
    case(
        "an empty close frame is answered with an empty one",
        &[Open, Frame(0, Close, Last, Bytes(b"")), Closed(0, None)],
    ),
    case(
        "what was said before the close frame is answered before it",
        &[
            Open,
            Say(0, &["first"]),
            Frame(0, Close, Last, Bytes(b"\x03\xE8")),
            Hear(0, MessageType::Text, Bytes(b"first")),
            Closed(0, Some(1_000)),
        ],
    ),
    case(
        "what was said before the end is answered before it",
        &[
            Open,
            Say(0, &["first", "second"]),
            Shut(0),
            Hear(0, MessageType::Text, Bytes(b"first")),
            Hear(0, MessageType::Text, Bytes(b"second")),
            End(0),
        ],
    ),
    case(
        "a frame without a mask",
        &[Open, Raw(0, b"\x81\x01x"), Closed(0, Some(1_002))],
    ),
    case(
        "a reserved bit",
        &[Open, Raw(0, b"\xC1\x80\0\0\0\0"), Closed(0, Some(1_002))],
    ),
    case(
        "a reserved data opcode",
        &[Open, Raw(0, b"\x83\x80\0\0\0\0"), Closed(0, Some(1_002))],
    ),
    case(
        "a reserved control opcode",
        &[Open, Raw(0, b"\x8B\x80\0\0\0\0"), Closed(0, Some(1_002))],
    ),
    case(
        "a fragmented ping",
        &[
            Open,
            Frame(0, Ping, More, Bytes(b"")),
            Closed(0, Some(1_002)),
        ],
    ),
    case(
        "a ping that is too long",
        &[
            Open,
            Frame(0, Ping, Last, Of(0, 126)),
            Closed(0, Some(1_002)),
        ],
    ),
    case(
        "a continuation of nothing",
        &[
            Open,
            Frame(0, Continuation, Last, Bytes(b"x")),
            Closed(0, Some(1_002)),
        ],
    ),
    case(
        "a message inside a message",
        &[
            Open,
            Frame(0, Text, More, Bytes(b"x")),
            Frame(0, Text, Last, Bytes(b"y")),
            Closed(0, Some(1_002)),
        ],
    ),
    case(
        "a length that could be shorter",
        &[
            Open,
            Raw(0, b"\x81\xFE\x00\x7D\0\0\0\0"),
            Closed(0, Some(1_002)),
        ],
    ),
    case(
        "a length with its top bit set",
        &[
            Open,
            Raw(0, b"\x81\xFF\x80\0\0\0\0\0\0\0\0\0\0\0"),
            Closed(0, Some(1_002)),
        ],
    ),
    case(
        "text that is not UTF-8",
        &[
            Open,
            Frame(0, Text, Last, Bytes(b"\xED\xA0\x80")),
            Closed(0, Some(1_007)),
        ],
    ),
    case(
        "text that cannot become UTF-8, before its end",
        &[
            Open,
            Frame(0, Text, More, Bytes(b"fine \xF4\x90")),
            Closed(0, Some(1_007)),
        ],
    ),
    case(
        "text that ends inside a character",
        &[
            Open,
            Frame(0, Text, Last, Bytes(b"\xE2\x82")),
            Closed(0, Some(1_007)),
        ],
    ),
    case(
        "a close frame of one byte",
        &[
            Open,
            Frame(0, Close, Last, Bytes(b"\x03")),
            Closed(0, Some(1_002)),
        ],
    ),
    case(
        "a close code that may not be sent",
        &[
            Open,
            Frame(0, Close, Last, Bytes(b"\x03\xED")),
            Closed(0, Some(1_002)),
        ],
    ),
    case(
        "a close reason that is not UTF-8",
        &[
            Open,
            Frame(0, Close, Last, Bytes(b"\x03\xE8\xFF")),
            Closed(0, Some(1_007)),
        ],
    ),
    case(
        "what precedes a fault is answered before it",
        &[
            Open,
            Say(0, &["fine"]),
            Raw(0, b"\x81\x01x"),
            Hear(0, MessageType::Text, Bytes(b"fine")),
            Closed(0, Some(1_002)),
        ],
    ),
    case(
        "a fault is nobody else's",
        &[
            Open,
            Open,
            Raw(0, b"\xFF\xFF"),
            Closed(0, Some(1_002)),
            Say(1, &["still here"]),
            Hear(1, MessageType::Text, Bytes(b"still here")),
        ],
    ),
];

const fn case(name: &'static str, steps: &'static [CaseStep]) -> Case {
    Case {
        name,
        application: Echo,
        steps,
    }
}
