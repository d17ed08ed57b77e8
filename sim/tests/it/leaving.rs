//! A connection that ends while it is leaving a room leaves it once.

use stentor_core::Config;
use stentor_sim::simulator::{Network, Sim};

#[test]
fn others_on_its_shard_stay_members() {
    for seed in 0..200 {
        let config = Config::builder()
            .shards(4)
            .seed(seed)
            .build()
            .expect("in range");
        let mut sim = Sim::rooms(Network::smooth(seed), &config);
        let [stays, leaves, speaks] = [0, 0, 2].map(|shard| sim.connect(shard));
        for client in [stays, leaves, speaks] {
            sim.say(client, "join:r");
        }
        sim.settle();
        sim.say(leaves, "leave:");
        for _ in 0..seed % 7 {
            sim.step(u64::MAX);
        }
        sim.reset(leaves);
        sim.settle();
        sim.say(speaks, "msg:still there?");
        sim.settle();
        assert_eq!(
            sim.take_texts(stays),
            ["joined:r", "still there?"],
            "seed {seed}"
        );
        assert_eq!(sim.stats().channels.members, 2);
    }
}
