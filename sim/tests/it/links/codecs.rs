//! Codecs: each message is encoded once for all who take it in one form.

use stentor_core::Config;
use stentor_core::testing::wire::Opcode;

use super::{Chat, Net, frame, masked};

#[test]
fn each_member_gets_a_message_in_its_codec_and_each_codec_encodes_it_once() {
    for shards in [1, 4] {
        let mut net = Net::new(shards, Config::builder(), || Chat);
        let targets = ["/ws", "/ws?1", "/ws?2", "/lines?1", "/lines"];
        let ids: Vec<_> = (0..100)
            .map(|n| net.connect(n % usize::from(shards), targets[n % targets.len()]))
            .collect();
        for round in 1..=3 {
            net.say(ids[0], Opcode::Text, b"abc");
            for (n, &id) in ids.iter().enumerate() {
                let expected = match targets[n % targets.len()] {
                    "/ws" => frame(Opcode::Text, b"abc"),
                    "/ws?1" => frame(Opcode::Text, b"room>abc"),
                    "/ws?2" => frame(Opcode::Binary, b"cba"),
                    "/lines?1" => b"room>abc\n".to_vec(),
                    _ => b"abc\n".to_vec(),
                };
                assert_eq!(net.take(id), expected, "{n} on {shards} shards");
            }
            let stats = net.stats();
            assert_eq!(stats.channels.codec_encoded, 2 * round);
        }
    }
}

#[test]
fn a_batch_reaches_members_of_every_codec_in_order() {
    for (shards, large) in [(1, 30), (1, 700), (3, 60)] {
        let mut net = Net::new(shards, Config::builder(), || Chat);
        let ids: Vec<_> = (0..large)
            .map(|n| {
                let target = ["/ws?1", "/ws", "/lines?1"][n % 3];
                net.connect(n % usize::from(shards), target)
            })
            .collect();
        let burst: Vec<u8> = (0..16)
            .flat_map(|n| {
                let text = format!("!{n}");
                masked(Opcode::Text, text.as_bytes())
            })
            .collect();
        net.send(ids[1], &burst);
        for (n, &id) in ids.iter().enumerate() {
            let expected: Vec<u8> = (0..16)
                .flat_map(|k| match n % 3 {
                    0 => frame(Opcode::Text, format!("room>{k}").as_bytes()),
                    1 => frame(Opcode::Text, format!("{k}").as_bytes()),
                    _ => format!("room>{k}\n").into_bytes(),
                })
                .collect();
            assert_eq!(net.take(id), expected, "{n} of {large} on {shards} shards");
        }
        assert_eq!(net.stats().channels.codec_encoded, 16);
    }
}

#[test]
fn what_a_codec_makes_much_longer_reaches_everyone_in_order() {
    for (shards, large) in [(1, 6), (1, 700), (3, 12)] {
        let config = Config::builder().queue_bytes(64 << 20);
        let mut net = Net::new(shards, config, || Chat);
        let ids: Vec<_> = (0..large)
            .map(|n| {
                let target = ["/lines?1", "/ws", "/lines"][n % 3];
                net.connect(n % usize::from(shards), target)
            })
            .collect();
        // The first is sixteen times as long in its codec.
        let texts: Vec<String> = (0..8)
            .map(|n| format!("*{n}{}", "x".repeat(1_000 * (n % 4))))
            .collect();
        let burst: Vec<u8> = texts
            .iter()
            .flat_map(|text| masked(Opcode::Text, format!("!{text}").as_bytes()))
            .collect();
        net.send(ids[1], &burst);
        for (n, &id) in ids.iter().enumerate() {
            let heard = net.take(id);
            let expected: Vec<u8> = match n % 3 {
                0 => texts
                    .iter()
                    .flat_map(|text| (text.repeat(16) + "\n").into_bytes())
                    .collect(),
                1 => continue,
                _ => texts
                    .iter()
                    .flat_map(|text| (text.clone() + "\n").into_bytes())
                    .collect(),
            };
            assert!(
                heard == expected,
                "{n} of {large} on {shards} shards: {} bytes",
                heard.len()
            );
        }
        let delivery = net.stats().delivery;
        assert_eq!((delivery.queued, delivery.waiting), (delivery.written, 0));
    }
}

#[test]
fn a_channel_without_verbatim_members_encodes_in_one_form_only() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let ids: Vec<_> = (0..10).map(|_| net.connect(0, "/ws?1")).collect();
    let before = net.stats().channels.copied;
    let burst = masked(Opcode::Text, b"!x").repeat(8);
    net.send(ids[0], &burst);
    for &id in &ids {
        assert_eq!(net.take(id), frame(Opcode::Text, b"room>x").repeat(8));
    }
    let channels = net.stats().channels;
    assert_eq!((channels.codec_encoded, channels.copied - before), (8, 8));
}

#[test]
fn a_message_to_one_connection_is_encoded_for_it_and_a_reply_is_not() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let id = net.connect(0, "/ws?1");
    net.say(id, Opcode::Text, b"me");
    assert_eq!(net.take(id), frame(Opcode::Text, b"you>to you"));
    net.say(id, Opcode::Text, b"codec");
    assert_eq!(net.take(id), frame(Opcode::Text, b"1"));
    net.say(id, Opcode::Text, b"?as it is");
    assert_eq!(net.take(id), frame(Opcode::Text, b"as it is"));
}

#[test]
fn what_a_codec_cannot_express_is_refused_and_counted_for_its_members_only() {
    for shards in [1, 2] {
        let mut net = Net::new(shards, Config::builder(), || Chat);
        let verbatim = net.connect(0, "/ws");
        let others: Vec<_> = (0..5)
            .map(|n| net.connect(n % usize::from(shards), "/ws?2"))
            .collect();
        net.say(verbatim, Opcode::Binary, b"bytes");
        assert_eq!(net.take(verbatim), frame(Opcode::Binary, b"bytes"));
        for &id in &others {
            assert!(net.take(id).is_empty());
        }
        net.say(verbatim, Opcode::Text, b"text");
        for &id in &others {
            assert_eq!(net.take(id), frame(Opcode::Binary, b"txet"));
        }
        let delivery = net.stats().delivery;
        assert_eq!(delivery.refused_codec, 5);
        assert_eq!(delivery.offered, delivery.queued + 5);
    }
}

#[test]
fn a_codec_that_panics_concerns_only_those_who_have_it() {
    for shards in [1, 2] {
        let mut net = Net::new(shards, Config::builder(), || Chat);
        let verbatim = net.connect(0, "/ws");
        let bad = net.connect(usize::from(shards) - 1, "/ws?3");
        for _ in 0..3 {
            net.say(verbatim, Opcode::Text, b"hello");
            assert_eq!(net.take(verbatim), frame(Opcode::Text, b"hello"));
            assert!(net.take(bad).is_empty());
        }
        net.say(bad, Opcode::Text, b"?still here");
        assert_eq!(net.take(bad), frame(Opcode::Text, b"still here"));
        let stats = net.stats();
        assert_eq!((stats.delivery.refused_codec, stats.links.panics), (3, 3));
        assert!(net.closed.is_empty());
    }
}

#[test]
fn a_codec_that_does_not_exist_refuses_the_connection() {
    let mut net = Net::new(1, Config::builder(), || Chat);
    let id = net.accept(0, None);
    net.send(id, super::request("/ws?4").as_bytes());
    assert!(net.take(id).starts_with(b"HTTP/1.1 500 "));
}
