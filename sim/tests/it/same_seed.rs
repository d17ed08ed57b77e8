//! Same seed, same bytes, at the same time.

use stentor_core::Config;
use stentor_sim::simulator::{Network, Sim};

fn digest(seed: u64) -> u64 {
    let config = Config::builder()
        .shards(3)
        .seed(seed)
        .build()
        .expect("in range");
    let mut sim = Sim::rooms(Network::rough(seed), &config);
    let clients: Vec<_> = (0..6).map(|i| sim.connect(i % 3)).collect();
    for n in 0..20 {
        for &client in &clients {
            sim.say(client, &format!("join:{}", (n + client) % 4));
            sim.say(client, &format!("msg:{n}"));
            sim.say(client, &format!("task:{n}"));
            sim.say(client, &"x".repeat(n * 97));
        }
    }
    sim.settle();
    sim.digest()
}

#[test]
fn a_seed_says_everything() {
    for seed in 0..10 {
        assert_eq!(digest(seed), digest(seed));
    }
    assert_ne!(digest(0), digest(1));
}
