//! Whole servers of the product with clients of the channel protocol, one a seed: see
//! `stentor_sim::subscribers` for what must hold. The seeds are always the same, and everything that is
//! to occur does. More of them: `cargo run --release -p stentor-sim --example simulate -- --subscribers`.

use std::time::{Duration, Instant};

use stentor_sim::subscribers::{
    LifeSize, SubscribersCoverage, SubscribersPlan, SubscribersReport, run, shrink,
};

/// Runs a seed; says so if it fails, and how to see that again.
fn live(seed: u64, clients: usize, steps: usize) -> SubscribersReport {
    let size = LifeSize {
        clients,
        steps,
        is_strict: false,
    };
    let plan = SubscribersPlan::new(seed, size);
    run(&plan).unwrap_or_else(|failure| {
        let begin = Instant::now();
        let (short, why) = shrink(&plan, &failure, || {
            begin.elapsed() < Duration::from_secs(30)
        });
        panic!(
            "seed {seed} fails: {}\nreplay: cargo run --release -p stentor-sim --example simulate -- \
             --subscribers 1 --seed {seed} --clients {clients} --messages {steps}\n{} of {} steps \
             suffice:\n{short}{}",
            failure.message,
            short.steps.len(),
            plan.steps.len(),
            why.message
        );
    })
}

#[test]
fn the_fixed_set_of_subscribers() {
    let mut coverage = SubscribersCoverage::default();
    for (seeds, clients, steps) in SETS {
        for seed in 0..*seeds {
            coverage.add(&live(seed, *clients, *steps).coverage);
        }
    }
    let missing = coverage.missing();
    assert!(missing.is_empty(), "did not occur: {missing:?}\n{coverage}");
}

#[test]
fn a_seed_of_subscribers_says_everything() {
    for seed in 0..3 {
        let digest = || live(seed, 12, 200).digest;
        assert_eq!(digest(), digest(), "seed {seed}");
    }
}

/// Seeds, clients and steps.
const SETS: &[(u64, usize, usize)] = &[(200, 6, 150), (150, 20, 500), (6, 50, 2_000)];
