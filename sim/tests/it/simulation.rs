//! Whole servers, one a seed, in which everything goes wrong that can: see
//! `stentor_sim::scenario` for what must hold. The seeds are always
//! the same, and everything that is to occur does. More of them, and bigger:
//! `cargo run --release -p stentor-sim --example simulate`.

use std::time::{Duration, Instant};

use stentor_sim::scenario::{Coverage, Scale, ScenarioFailure, ScenarioPlan, run, shrink};

/// Runs a seed; says so if it fails, and how to see that again.
fn live(seed: u64, scale: Scale) -> stentor_sim::scenario::RunReport {
    let plan = ScenarioPlan::new(seed, scale);
    run(&plan).unwrap_or_else(|failure| explain(seed, scale, &plan, &failure))
}

fn explain(seed: u64, scale: Scale, plan: &ScenarioPlan, failure: &ScenarioFailure) -> ! {
    let Scale {
        shards,
        clients,
        messages,
    } = scale;
    let most =
        std::env::var("STENTOR_SHRINK").map_or(30, |seconds| seconds.parse().expect("a number"));
    // Every attempt would print its own failure. Other tests of the process still print theirs.
    let (hook, shrinking) = (std::panic::take_hook(), std::thread::current().id());
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().id() != shrinking {
            eprintln!("{panic}");
        }
    }));
    let begin = Instant::now();
    let (short, why) = shrink(plan, failure, || {
        begin.elapsed() < Duration::from_secs(most)
    });
    std::panic::set_hook(hook);
    panic!(
        "seed {seed} fails: {}\nreplay: cargo run --release -p stentor-sim --example simulate -- --seed {seed} --shards {shards} --clients {clients} --messages {messages}\n{} of {} steps suffice:\n{short}{}",
        failure.message,
        short.steps.len(),
        plan.steps.len(),
        why.message,
    );
}

#[test]
fn the_fixed_set() {
    let mut coverage = Coverage::default();
    // Small ones first: they fail sooner, and are easier to read.
    for (seeds, scale) in [(0..SMALL, small()), (0..MEDIUM, medium()), (0..BIG, big())] {
        for seed in seeds {
            coverage.add(&live(seed, scale).coverage);
        }
    }
    let missing = coverage.missing();
    assert!(missing.is_empty(), "did not occur: {missing:?}\n{coverage}");
}

#[test]
fn a_seed_says_everything() {
    for seed in 0..4 {
        let digest = || live(seed, small()).digest;
        assert_eq!(digest(), digest(), "seed {seed}");
    }
}

const fn small() -> Scale {
    Scale {
        shards: 0,
        clients: 12,
        messages: 400,
    }
}

const fn medium() -> Scale {
    Scale {
        shards: 0,
        clients: 60,
        messages: 4_000,
    }
}

const fn big() -> Scale {
    Scale {
        shards: 4,
        clients: 200,
        messages: 20_000,
    }
}

const SMALL: u64 = 300;
const MEDIUM: u64 = 30;
const BIG: u64 = 4;
