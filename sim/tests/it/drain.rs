//! A server that shuts down: what was accepted arrives, then everyone is told
//! to go, and whoever does not is cut off at the deadline.

use core::time::Duration;

use stentor_core::{CloseCause, Config};
use stentor_sim::simulator::{Network, ReadPattern, Sim};

fn config(shards: u16) -> Config {
    Config::builder()
        .shards(shards)
        .seed(2)
        .build()
        .expect("in range")
}

#[test]
fn what_was_accepted_arrives_before_1001() {
    for shards in [1, 4] {
        for seed in 0..20 {
            let mut sim = Sim::rooms(Network::smooth(seed), &config(shards));
            let clients: Vec<_> = (0..8)
                .map(|n| sim.connect(n % usize::from(shards)))
                .collect();
            for &client in &clients {
                sim.say(client, &format!("join:{}", client % 3));
            }
            sim.settle();
            for n in 0..50 {
                for &client in &clients {
                    sim.say(client, &format!("msg:{n}"));
                    sim.say(client, &format!("task:{n}"));
                }
            }
            for _ in 0..seed * 4 {
                sim.step(u64::MAX);
            }
            sim.shut_down(Duration::from_secs(10));
            for &client in &clients {
                assert_eq!(sim.client(client).close_code(), Some(Some(1001)));
                assert!(sim.client(client).is_over());
            }
            let stats = sim.stats();
            let d = stats.delivery;
            assert_eq!(d.offered, d.written, "seed {seed}: {d:?}");
            assert_eq!(stats.closed[CloseCause::Drain as usize], 8);
            assert_eq!(stats.channels.abandoned + stats.links.outcomes_gone, 0);
            let tasks = sim.dispatch_stats();
            assert_eq!(tasks.submitted, tasks.done);
            sim.assert_bare();
        }
    }
}

#[test]
fn nobody_new_is_let_in() {
    let mut sim = Sim::rooms(Network::smooth(1), &config(2));
    let before = sim.connect(0);
    sim.settle();
    sim.begin_drain();
    let after = sim.connect(1);
    sim.settle();
    assert!(!sim.is_read(before));
    assert_eq!(
        sim.client(after).heard.first(),
        Some(&stentor_sim::simulator::Incoming::Head(503))
    );
    assert!(sim.is_quiet());
}

#[test]
fn the_deadline_cuts_off_whoever_is_stuck() {
    for shards in [1, 4] {
        for seed in 0..10 {
            let network = Network {
                down: 700,
                ..Network::smooth(seed)
            };
            let mut sim = Sim::rooms(network, &config(shards));
            let stuck = sim.connect(0);
            let reads = sim.connect(usize::from(shards) - 1);
            sim.say(stuck, "join:r");
            sim.say(reads, "join:r");
            sim.settle();
            sim.client_mut(stuck).reader = ReadPattern::Stuck;
            for n in 0..300 {
                sim.say(reads, &format!("msg:{n}"));
            }
            sim.settle();
            sim.shut_down(Duration::from_secs(1));
            assert_eq!(sim.client(reads).close_code(), Some(Some(1001)));
            assert_eq!(sim.client(reads).texts().len(), 301);
            let d = sim.stats().delivery;
            assert!(d.discarded > 0);
            assert_eq!(d.queued, d.written + d.discarded + d.evicted);
            assert!(!sim.is_held(stuck));
            sim.assert_bare();
        }
    }
}
