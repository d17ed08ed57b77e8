//! permessage-deflate on a whole server: what is said to many is compressed
//! once, contexts have their budget, and no order of the queue breaks them.

use stentor_core::config::ConfigBuilder;
use stentor_core::testing::deflate::{DEFLATER_BYTES, INFLATER_BYTES, Params};
use stentor_core::{Config, MessageType};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Network, ReadPattern, Sim};

const PLAIN: Params = Params {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: None,
    client_max_window_bits: None,
};
const BOTH: usize = DEFLATER_BYTES + INFLATER_BYTES;

fn rooms(config: ConfigBuilder) -> Sim<Rooms> {
    let config = config.compression(true).compression_threshold(100);
    let config = config.build().expect("in range");
    Sim::rooms(Network::smooth(1), &config)
}

/// Clients spread over the shards, all in one room.
fn members(sim: &mut Sim<Rooms>, shards: usize, offers: &[Option<Params>]) -> Vec<usize> {
    let mut connect = |(n, offer): (usize, &Option<Params>)| match offer {
        Some(offer) => sim.connect_offering(n % shards, *offer),
        None => sim.connect(n % shards),
    };
    let clients: Vec<_> = offers.iter().enumerate().map(&mut connect).collect();
    for &client in &clients {
        sim.settle();
        sim.say(client, "join:r");
        sim.settle();
        assert_eq!(sim.take_texts(client), ["joined:r"]);
    }
    clients
}

fn everyone_hears(sim: &mut Sim<Rooms>, clients: &[usize], text: &str) {
    sim.settle();
    for &client in clients {
        assert_eq!(sim.take_texts(client), [text], "client {client}");
    }
}

#[test]
fn what_is_said_to_many_is_compressed_once_for_all_shards() {
    for shards in [1, 4] {
        let mut sim = rooms(Config::builder().shards(shards));
        let mut offers = vec![Some(PLAIN); 100];
        offers.extend([None; 10]);
        let clients = members(&mut sim, shards.into(), &offers);
        let text = "hello ".repeat(200);
        sim.say(clients[105], &format!("msg:{text}"));
        everyone_hears(&mut sim, &clients, &text);
        let stats = sim.stats().deflate;
        assert_eq!((stats.agreed, stats.deflated), (100, 1), "{shards} shards");
        assert_eq!(stats.deflated_from_bytes, 1_200);
        assert!(stats.deflated_to_bytes < 60);
    }
}

#[test]
fn what_is_short_or_noise_goes_as_it_is() {
    let mut sim = rooms(Config::builder());
    let clients = members(&mut sim, 1, &[Some(PLAIN); 3]);
    let noise: Vec<u8> = (0..200_u32)
        .map(|n| (n.wrapping_mul(2_654_435_769) >> 13) as u8)
        .collect();
    for (message, deflated, incompressible) in [
        (&[b'a'; 99][..], 0, 0),
        (&[b'a'; 100], 1, 0),
        (&noise, 1, 1),
    ] {
        sim.send(
            clients[0],
            MessageType::Binary,
            &[b"msg:", message].concat(),
        );
        sim.settle();
        let heard = sim.client(clients[1]).messages().last();
        assert_eq!(heard, Some((MessageType::Binary, message)));
        let stats = sim.stats().deflate;
        assert_eq!(
            (stats.deflated, stats.incompressible),
            (deflated, incompressible)
        );
    }
}

#[test]
fn a_smaller_window_shares_what_fits_into_it() {
    let narrow = Params {
        server_max_window_bits: Some(9),
        ..PLAIN
    };
    let mut sim = rooms(Config::builder());
    let clients = members(&mut sim, 1, &[Some(PLAIN), Some(narrow)]);
    // Both get 512 bytes compressed; of 513 the one with the small window gets each.
    for (len, compressed_deliveries) in [(512, 2), (513, 1)] {
        let text = "b".repeat(len);
        let before = sim.stats().sent.bytes;
        sim.say(clients[0], &format!("msg:{text}"));
        everyone_hears(&mut sim, &clients, &text);
        let sent = sim.stats().sent.bytes - before;
        let plain_deliveries = 2 - compressed_deliveries;
        assert!(sent / 500 == plain_deliveries, "{len}: {sent} bytes sent");
    }
}

#[test]
fn contexts_have_a_budget_and_give_it_back() {
    let contexts = |n| Config::builder().compression_contexts(n);
    for (budget, kept) in [(0, 0), (BOTH - 1, 0), (BOTH, 1), (2 * BOTH, 2)] {
        let mut sim = rooms(contexts(budget));
        members(&mut sim, 1, &[Some(PLAIN); 4]);
        let stats = sim.stats().deflate;
        assert_eq!(stats.context_bytes, (kept * BOTH) as u64, "{budget}");
        let denied = if budget == 0 { 0 } else { 4 - kept as u64 };
        assert_eq!(stats.contexts_denied, denied, "{budget}");
        for client in 0..4 {
            sim.reset(client);
        }
        sim.settle();
        assert_eq!(sim.stats().deflate.context_bytes, 0);
        // There is room again.
        sim.connect_offering(0, PLAIN);
        sim.settle();
        let kept = if kept > 0 { BOTH as u64 } else { 0 };
        assert_eq!(sim.stats().deflate.context_bytes, kept);
    }
}

#[test]
fn a_member_with_a_context_gets_what_many_get_as_it_is() {
    let config = Config::builder().compression_contexts(1 << 30);
    let mut sim = rooms(config);
    let clients = members(&mut sim, 1, &[Some(PLAIN), Some(PLAIN), None]);
    for n in 0..3 {
        let text = format!("{n} {}", "said ".repeat(100));
        sim.say(clients[2], &format!("msg:{text}"));
        everyone_hears(&mut sim, &clients, &text);
    }
    assert_eq!(sim.stats().deflate.deflated, 0);
    // An answer to itself refers to the one before.
    let text = "echo ".repeat(100);
    let lengths = [0, 1].map(|_| {
        let before = sim.stats().sent.bytes;
        sim.say(clients[0], &text);
        everyone_hears(&mut sim, &clients[..1], &format!("echo:{text}"));
        sim.stats().sent.bytes - before
    });
    assert!(lengths[0] < 60 && lengths[1] < lengths[0], "{lengths:?}");
}

/// Compressed in the order in which they go out, which is not the one in which
/// they were queued; and what is evicted was not compressed.
#[test]
fn urgent_ones_overtake_and_contexts_hold() {
    let mut lost = 0;
    for down in [1, 700, 5_000] {
        let config = Config::builder()
            .compression_contexts(1 << 30)
            .queue_messages(20)
            .write_batch(1 << 10)
            .compression(true)
            .build()
            .expect("in range");
        let network = Network {
            down,
            ..Network::rough(7)
        };
        let mut sim = Sim::rooms(network, &config);
        let clients = members(&mut sim, 1, &[Some(PLAIN), None]);
        sim.client_mut(clients[0]).reader = ReadPattern::Slow {
            bytes: 300,
            every: 500,
        };
        for n in 0..60 {
            let noise: String = (0..400_u32)
                .map(|i| char::from(b'a' + ((i * i * 31 + n) >> 3) as u8 % 26))
                .collect();
            sim.say(clients[0], &format!("{n} {noise}"));
            if n % 7 == 0 {
                sim.say(clients[0], "task:now");
            }
            for _ in 0..5 {
                let end = sim.time().as_micros() + 700;
                sim.step(end);
            }
        }
        sim.settle();
        let stats = sim.stats();
        assert!(stats.deflate.deflated > 5, "{:?}", stats.deflate);
        lost += stats.delivery.refused_full + stats.delivery.evicted;
        let heard = sim.take_texts(clients[0]);
        assert!(heard.iter().any(|text| text.starts_with("processed_by")));
    }
    assert!(lost > 0, "the queue was never full");
}
