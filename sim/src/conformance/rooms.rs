//! Cases of the rooms application: every row of its protocol table.

use stentor_core::MessageType;
use stentor_core::testing::wire::Opcode::{Binary, Text};

use super::Application::Rooms;
use super::CaseStep::{Frame, Hear, HearAll, Open, Say};
use super::Data::{Bytes, Of};
use super::Fin::Last;
use super::{Case, CaseStep};

pub(super) const CASES: &[Case] = &[
    case(
        "what is no command is echoed",
        &[
            Open,
            Say(0, &["hello"]),
            Hear(0, MessageType::Text, Bytes(b"echo:hello")),
            Frame(0, Binary, Last, Bytes(b"\xFF")),
            Hear(0, MessageType::Binary, Bytes(b"echo:\xFF")),
        ],
    ),
    case(
        "joining is answered, and so is joining again",
        &[
            Open,
            Say(0, &["join:a"]),
            Hear(0, MessageType::Text, Bytes(b"joined:a")),
            Frame(0, Binary, Last, Bytes(b"join:a")),
            Hear(0, MessageType::Binary, Bytes(b"joined:a")),
        ],
    ),
    case(
        "leaving is answered, and without a room it is an error",
        &[
            Open,
            Say(0, &["leave:"]),
            Hear(0, MessageType::Text, Bytes(b"error:no_room")),
            Say(0, &["join:b"]),
            Hear(0, MessageType::Text, Bytes(b"joined:b")),
            Frame(0, Binary, Last, Bytes(b"leave:whatever")),
            Hear(0, MessageType::Binary, Bytes(b"left:b")),
            Say(0, &["leave:b"]),
            Hear(0, MessageType::Text, Bytes(b"error:no_room")),
        ],
    ),
    case(
        "names that no room can have",
        &[
            Open,
            Say(0, &["join:c"]),
            Hear(0, MessageType::Text, Bytes(b"joined:c")),
            Say(0, &["join:"]),
            Hear(0, MessageType::Text, Bytes(b"error:bad_room")),
            Frame(0, Binary, Last, Bytes(b"join:\xFF")),
            Hear(0, MessageType::Binary, Bytes(b"error:bad_room")),
            Say(0, &["msg:still in c"]),
            Hear(0, MessageType::Text, Bytes(b"still in c")),
        ],
    ),
    case(
        "a message reaches the members of its room and nobody else",
        &[
            Open,
            Open,
            Open,
            Say(0, &["join:d"]),
            Hear(0, MessageType::Text, Bytes(b"joined:d")),
            Say(1, &["join:d"]),
            Hear(1, MessageType::Text, Bytes(b"joined:d")),
            Say(2, &["join:e"]),
            Hear(2, MessageType::Text, Bytes(b"joined:e")),
            Frame(0, Binary, Last, Bytes(b"msg:\x00")),
            Hear(0, MessageType::Binary, Bytes(b"\x00")),
            Hear(1, MessageType::Binary, Bytes(b"\x00")),
            Say(2, &["msg:alone"]),
            Hear(2, MessageType::Text, Bytes(b"alone")),
        ],
    ),
    case(
        "a message without a room goes nowhere",
        &[
            Open,
            Say(0, &["msg:nobody", "hello"]),
            Hear(0, MessageType::Text, Bytes(b"echo:hello")),
        ],
    ),
    case(
        "a message, a join and a message in one segment go where they were said",
        &[
            Open,
            Open,
            Open,
            Say(0, &["join:f"]),
            Hear(0, MessageType::Text, Bytes(b"joined:f")),
            Say(1, &["join:g"]),
            Hear(1, MessageType::Text, Bytes(b"joined:g")),
            Say(2, &["join:f"]),
            Hear(2, MessageType::Text, Bytes(b"joined:f")),
            Say(2, &["msg:1", "join:g", "msg:2"]),
            Hear(0, MessageType::Text, Bytes(b"1")),
            Hear(1, MessageType::Text, Bytes(b"2")),
            HearAll(2, &["1", "joined:g", "2"]),
        ],
    ),
    case(
        "a task is answered, and its room is told",
        &[
            Open,
            Open,
            Say(0, &["join:h"]),
            Hear(0, MessageType::Text, Bytes(b"joined:h")),
            Say(1, &["join:h"]),
            Hear(1, MessageType::Text, Bytes(b"joined:h")),
            Say(0, &["task:x"]),
            HearAll(0, &["processed_by_0:x", "room_broadcast:x"]),
            Hear(1, MessageType::Text, Bytes(b"room_broadcast:x")),
        ],
    ),
    case(
        "a long message to a room",
        &[
            Open,
            Say(0, &["join:i"]),
            Hear(0, MessageType::Text, Bytes(b"joined:i")),
            Frame(0, Text, Last, Bytes(LONG)),
            Hear(0, MessageType::Text, Of(b'y', 70_000)),
        ],
    ),
];

/// A command that publishes 70,000 bytes.
const LONG: &[u8] = &{
    let mut long = [b'y'; 70_004];
    long[0] = b'm';
    long[1] = b's';
    long[2] = b'g';
    long[3] = b':';
    long
};

const fn case(name: &'static str, steps: &'static [CaseStep]) -> Case {
    Case {
        name,
        application: Rooms,
        steps,
    }
}
