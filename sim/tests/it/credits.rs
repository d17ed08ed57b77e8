//! Who waits for credits waits in a line: what comes back lets go on as many
//! as can, and not all to wait again.

use stentor_core::Config;
use stentor_sim::simulator::{Network, Sim};

#[test]
fn a_credit_that_comes_back_does_not_wake_everyone() {
    for (seed, credits) in [(0, 1), (1, 4), (2, 16)] {
        let config = Config::builder()
            .shards(2)
            .seed(seed)
            .credit_messages(credits)
            .build()
            .expect("in range");
        let mut sim = Sim::rooms(Network::smooth(seed), &config);
        sim.audit(false);
        // Half of the rooms have their home on the other shard.
        let clients: Vec<_> = (0..400).map(|_| sim.connect(0)).collect();
        for &client in &clients {
            sim.say(client, &format!("join:{}", client % 8));
        }
        sim.settle();
        for &client in &clients {
            for n in 0..3 {
                sim.say(client, &format!("msg:{n}"));
            }
        }
        sim.settle();
        let rooms = sim.stats().channels;
        assert_eq!(rooms.published, 1_200, "seed {seed}");
        assert!(
            rooms.credit_waits <= 2 * rooms.published,
            "{credits} credits: {} waits for {} publications",
            rooms.credit_waits,
            rooms.published
        );
        for client in clients {
            sim.close(client, Some(1000));
        }
        sim.settle();
        sim.assert_bare();
    }
}

#[test]
fn whoever_leaves_the_line_holds_nobody_up() {
    for seed in 0..60 {
        let config = Config::builder()
            .shards(2)
            .seed(seed)
            .credit_messages(1 + seed as usize % 3)
            .build()
            .expect("in range");
        let mut sim = Sim::rooms(Network::smooth(seed), &config);
        let clients: Vec<_> = (0..12).map(|_| sim.connect(0)).collect();
        for &client in &clients {
            sim.say(client, "join:r");
        }
        sim.settle();
        for &client in &clients {
            for n in 0..4 {
                sim.say(client, &format!("msg:{n}"));
            }
        }
        for client in clients {
            for _ in 0..seed % 11 {
                sim.step(u64::MAX);
            }
            if client % 3 < 2 {
                sim.reset(client);
            }
        }
        sim.settle();
        assert!(sim.is_quiet(), "seed {seed}");
        assert_eq!(sim.stats().links.active, 4);
        sim.shut_down(core::time::Duration::from_secs(1));
        sim.assert_bare();
    }
}
