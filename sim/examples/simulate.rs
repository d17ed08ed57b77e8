//! Simulates whole servers, one a seed, and says what went wrong, if anything
//! did: the seed, how to see it again, and the shortest history that fails.
//!
//! ```sh
//! cargo run --release -p stentor-sim --example simulate -- --seeds 1000 --jobs 2
//! cargo run --release -p stentor-sim --example simulate -- --seed 7
//! ```
//!
//! Options, with their defaults: `--seeds 100`, `--from 0` (the first seed), `--seed N` (that one
//! only), `--shards 4` (0 for any number), `--clients 200`, `--messages 20000`, `--jobs 1`,
//! `--shrink 120` (seconds that the search for a short history may take), `--subscribers 0` (1 for
//! clients of the channel protocol; then `--messages` is how many things happen, and there are as many
//! shards as the seed says), `--trace 0` (1 to print all messages of a short history of these),
//! `--strict 0` (1 for what is known not to hold yet, too).

use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use stentor_sim::scenario::{Coverage, Scale, ScenarioFailure, ScenarioPlan, run, shrink};
use stentor_sim::subscribers::{self, LifeSize, SubscribersCoverage, SubscribersPlan};

struct Options {
    from: u64,
    seeds: u64,
    scale: Scale,
    jobs: usize,
    shrink: Duration,
    are_subscribers: bool,
    traces: bool,
    are_strict: bool,
}

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            from: 0,
            seeds: 100,
            scale: Scale {
                shards: 4,
                clients: 200,
                messages: 20_000,
            },
            jobs: 1,
            shrink: Duration::from_secs(120),
            are_subscribers: false,
            traces: false,
            are_strict: false,
        };
        while let Some(option) = words.next() {
            let number = words.next().and_then(|word| word.parse::<u32>().ok());
            let number = number.ok_or_else(|| format!("{option} needs a number"))?;
            match &*option {
                "--seeds" => options.seeds = number.into(),
                "--from" => options.from = number.into(),
                "--seed" => (options.from, options.seeds) = (number.into(), 1),
                "--shards" => options.scale.shards = number.min(1_024) as u16,
                "--clients" => options.scale.clients = number.clamp(1, 60_000) as usize,
                "--messages" => options.scale.messages = number as usize,
                "--jobs" => options.jobs = number.max(1) as usize,
                "--strict" => options.are_strict = number > 0,
                "--trace" => options.traces = number > 0,
                "--subscribers" => options.are_subscribers = number > 0,
                "--shrink" => options.shrink = Duration::from_secs(number.into()),
                _ => return Err(format!("there is no {option}")),
            }
        }
        Ok(options)
    }
}

/// What all runs so far came to.
#[derive(Default)]
struct Sum {
    next: u64,
    done: u64,
    received: u64,
    /// The least that a server received.
    least: Option<u64>,
    written: u64,
    coverage: Coverage,
    failed: Vec<(u64, ScenarioFailure)>,
}

fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}; see the head of sim/examples/simulate.rs");
            return ExitCode::from(2);
        }
    };
    if options.are_subscribers {
        return run_subscribers(&options);
    }
    let sum = Mutex::new(Sum::default());
    let begin = Instant::now();
    // What fails says so itself; where in the code is of interest once.
    std::panic::set_hook(Box::new(|_| {}));
    thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| work(&options, &sum, begin));
        }
    });
    let sum = sum.into_inner().expect("nobody panics with it");
    let seconds = begin.elapsed().as_secs_f64();
    println!("{}", sum.coverage);
    println!(
        "{} seeds in {seconds:.0} s: {:.2} seeds, {:.0} messages received and {:.0} written a second; {} messages received at least",
        sum.done,
        sum.done as f64 / seconds,
        sum.received as f64 / seconds,
        sum.written as f64 / seconds,
        sum.least.unwrap_or_default(),
    );
    let missing = sum.coverage.missing();
    if !missing.is_empty() && options.seeds > 1 {
        println!("did not occur: {}", missing.join(", "));
    }
    for (seed, failure) in &sum.failed {
        explain(&options, *seed, failure);
    }
    let too_few = sum
        .least
        .is_some_and(|least| least < options.scale.messages as u64);
    if too_few {
        println!("a server received less than it was to");
    }
    if sum.failed.is_empty() && !too_few {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs seeds with clients of the channel protocol.
fn run_subscribers(options: &Options) -> ExitCode {
    let (begin, scale) = (Instant::now(), options.scale);
    if options.seeds > 1 || options.traces || !options.shrink.is_zero() {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let size = LifeSize {
        clients: scale.clients,
        steps: scale.messages,
        is_strict: options.are_strict,
    };
    let plan = |seed| SubscribersPlan::new(seed, size);
    let next = Mutex::new(options.from);
    let sum = Mutex::new((SubscribersCoverage::default(), Vec::new(), 0));
    thread::scope(|scope| {
        for _ in 0..options.jobs {
            scope.spawn(|| {
                loop {
                    let seed = {
                        let mut next = next.lock().expect("nobody panics with it");
                        *next += 1;
                        *next - 1
                    };
                    if seed >= options.from + options.seeds {
                        return;
                    }
                    let result = subscribers::run(&plan(seed));
                    let mut sum = sum.lock().expect("nobody panics with it");
                    sum.2 += 1;
                    match result {
                        Ok(report) => {
                            sum.0.add(&report.coverage);
                            if options.seeds == 1 {
                                println!("digest {:#x}", report.digest);
                            }
                        }
                        Err(failure) => {
                            println!("seed {seed} fails: {}", failure.message);
                            sum.1.push((seed, failure));
                        }
                    }
                }
            });
        }
    });
    let (coverage, failed, done) = sum.into_inner().expect("nobody panics with it");
    println!("{coverage}");
    let missing = coverage.missing();
    if !missing.is_empty() && options.seeds > 1 {
        println!("did not occur: {}", missing.join(", "));
    }
    let seconds = begin.elapsed().as_secs_f64();
    println!("{done} seeds in {seconds:.0} s, {} failed", failed.len());
    for (seed, failure) in failed.iter().take(MOST_FAILURES) {
        if options.shrink.is_zero() && options.traces {
            let _ = subscribers::trace(&plan(*seed));
        }
        if options.shrink.is_zero() {
            break;
        }
        let begin = Instant::now();
        let go_on = || begin.elapsed() < options.shrink;
        let (short, why) = subscribers::shrink(&plan(*seed), failure, go_on);
        println!("\nseed {seed}: these suffice:\n{short}{}", why.message);
        if options.traces {
            println!("{:?}", short.setup);
            let _ = subscribers::trace(&short);
        }
    }
    match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

/// Runs seeds until there are no more, or enough have failed.
fn work(options: &Options, sum: &Mutex<Sum>, begin: Instant) {
    loop {
        let seed = {
            let mut sum = sum.lock().expect("nobody panics with it");
            if sum.next == options.seeds || sum.failed.len() >= MOST_FAILURES {
                return;
            }
            sum.next += 1;
            options.from + sum.next - 1
        };
        let result = run(&ScenarioPlan::new(seed, options.scale));
        let mut sum = sum.lock().expect("nobody panics with it");
        sum.done += 1;
        match result {
            Ok(report) => {
                if report.received < options.scale.messages as u64 {
                    println!("seed {seed} receives {} messages only", report.received);
                }
                sum.received += report.received;
                sum.written += report.written;
                sum.least = Some(
                    sum.least
                        .map_or(report.received, |least| least.min(report.received)),
                );
                sum.coverage.add(&report.coverage);
            }
            Err(failure) => {
                println!("seed {seed} fails: {}", failure.message);
                sum.failed.push((seed, failure));
            }
        }
        if sum.done.is_multiple_of(PROGRESS_EVERY) {
            let seconds = begin.elapsed().as_secs_f64();
            println!(
                "{} of {} seeds in {seconds:.0} s, {} failed",
                sum.done,
                options.seeds,
                sum.failed.len()
            );
        }
    }
}

/// Says how a seed fails, how to see it again, and what the least is that it takes.
fn explain(options: &Options, seed: u64, failure: &ScenarioFailure) {
    let Scale {
        shards,
        clients,
        messages,
    } = options.scale;
    println!("\nseed {seed} fails: {}", failure.message);
    println!(
        "replay: cargo run --release -p stentor-sim --example simulate -- --seed {seed} --shards {shards} --clients {clients} --messages {messages}"
    );
    if options.shrink.is_zero() {
        return;
    }
    let begin = Instant::now();
    let plan = ScenarioPlan::new(seed, options.scale);
    let (short, failure) = shrink(&plan, failure, || begin.elapsed() < options.shrink);
    println!(
        "{} of {} steps suffice:\n{short}{}",
        short.steps.len(),
        plan.steps.len(),
        failure.message
    );
}

/// Seeds that fail before no more are tried.
const MOST_FAILURES: usize = 3;
const PROGRESS_EVERY: u64 = 10;
