//! Tasks in a server whose workers fail, hang and panic: whatever they do, every task that was
//! taken comes to one end and its connection hears of it once, tasks of a connection keep their
//! order, and a shutdown loses none.

use core::time::Duration;

use stentor_core::Config;
use stentor_core::stats::DispatchStats;
use stentor_core::tasks::TaskOrder;
use stentor_sim::Rooms;
use stentor_sim::simulator::{Network, Rng, Sim};

const CLIENTS: usize = 6;

struct TaskWorld {
    sim: Sim<Rooms>,
    rng: Rng,
    /// Tasks that each client has asked for.
    asked: [usize; CLIENTS],
}

impl TaskWorld {
    fn new(seed: u64, order: TaskOrder) -> Self {
        Self::with_credits(seed, order, 0)
    }

    /// With so many tasks under way in all shards together; none is no bound.
    fn with_credits(seed: u64, order: TaskOrder, credits: usize) -> Self {
        let mut rng = Rng::new(seed ^ 0x7A5C);
        let shards = [1, 2, 4][rng.below(3)];
        let config = Config::builder()
            .seed(seed)
            .shards(shards)
            .task_credits(credits / usize::from(shards))
            .task_attempts(1 + rng.below(4))
            .task_backoff(Duration::from_millis(1 + rng.up_to(50)))
            .task_backoff_max(Duration::from_millis(60))
            .task_timeout(Duration::from_millis(10 + rng.up_to(20)))
            .dead_letters([0, 3, 1_000][rng.below(3)])
            .build()
            .expect("in range");
        let network = Network {
            work_time: 9_000,
            panics: rng.up_to(20) as u32,
            failures: rng.up_to(30) as u32,
            hangs: rng.up_to(30) as u32,
            ..Network::smooth(seed)
        };
        let rooms = Rooms {
            task_order: order,
            ..Rooms::default()
        };
        let workers = 1 + rng.below(5) as u16;
        let mut sim = Sim::rooms_with(network, &config, rooms, workers, 30);
        for client in 0..CLIENTS {
            sim.connect(client % usize::from(shards));
        }
        sim.settle();
        Self {
            sim,
            rng,
            asked: [0; CLIENTS],
        }
    }

    /// Clients ask for tasks, and time passes.
    fn go_on(&mut self) {
        for _ in 0..60 {
            let client = self.rng.below(CLIENTS);
            for _ in 0..1 + self.rng.below(3) {
                let text = format!("task:{}", self.asked[client]);
                self.asked[client] += 1;
                self.sim.say(client, &text);
            }
            self.sim.pass(Duration::from_micros(self.rng.up_to(20_000)));
            balance(&self.sim.dispatch_stats());
        }
    }

    /// Each client has heard of each of its tasks, at most once, and of those that were done in
    /// order if they were to be. Says how many answers there were.
    fn check_answers(&self, in_order: bool) -> usize {
        let mut answers = 0;
        for client in 0..CLIENTS {
            let texts = self.sim.client(client).texts();
            let mut done: Vec<usize> = Vec::new();
            for text in &texts {
                if let Some((_, number)) = text.split_once(':') {
                    done.push(number.parse().expect("a number"));
                } else {
                    assert!(
                        ["task_failed", "task_rejected"].contains(&&**text),
                        "{text}"
                    );
                }
            }
            assert!(texts.len() <= self.asked[client], "told once");
            if !in_order {
                done.sort_unstable();
            }
            assert!(done.is_sorted_by(|one, next| one < next), "{done:?}");
            answers += texts.len();
        }
        answers
    }
}

#[test]
fn with_credits_none_is_refused_and_whoever_has_more_is_not_read() {
    let mut waits = 0;
    for seed in 0..60 {
        let mut world = TaskWorld::with_credits(seed, TaskOrder::Connection, 8);
        for client in 0..CLIENTS {
            // All at once, then something that is answered at once.
            for _ in 0..5 {
                let text = format!("task:{}", world.asked[client]);
                world.asked[client] += 1;
                world.sim.say(client, &text);
            }
            world.sim.say(client, "join:behind");
        }
        world
            .sim
            .pass(Duration::from_micros(world.rng.up_to(20_000)));
        let stats = world.sim.stats();
        assert!(stats.links.tasks_pending <= 8, "seed {seed}");
        let unread = (0..CLIENTS).filter(|&client| !world.sim.is_read(client));
        assert!(unread.count() as u64 >= stats.waiting.task, "seed {seed}");
        waits += stats.waiting.task;
        // Some go away while they wait.
        if seed % 3 == 0 {
            let gone = world.rng.below(CLIENTS);
            world.sim.reset(gone);
            world.sim.pass(Duration::from_secs(20));
        } else {
            world.sim.pass(Duration::from_secs(20));
            for client in 0..CLIENTS {
                let texts = world.sim.take_texts(client);
                let done = texts
                    .iter()
                    .filter(|text| text.contains("task_") || text.starts_with("processed"))
                    .count();
                assert_eq!(done, 5, "seed {seed}: {texts:?}");
                assert_eq!(
                    texts
                        .iter()
                        .filter(|text| **text == "joined:behind")
                        .count(),
                    1
                );
            }
        }
        let stats = world.sim.stats();
        assert_eq!((stats.waiting.task, stats.links.tasks_pending), (0, 0));
        assert_eq!(world.sim.dispatch_stats().refused_full, 0, "seed {seed}");
        assert!(stats.links.task_waits > 0);
    }
    assert!(waits > 100, "hardly anybody waited: {waits}");
}

fn balance(stats: &DispatchStats) {
    let over = stats.done + stats.failed + stats.abandoned_waiting + stats.abandoned_running;
    let here = stats.waiting + stats.delayed + stats.running;
    assert_eq!(stats.submitted, over + here, "{stats:?}");
    let dead = stats.dead_letters + stats.dead_dropped + stats.dead_taken;
    assert_eq!(stats.failed, dead, "{stats:?}");
}

/// Adds up what happened: what never does proves nothing.
fn add(sum: &mut DispatchStats, stats: &DispatchStats) {
    sum.done += stats.done;
    sum.retried += stats.retried;
    sum.attempts_failed += stats.attempts_failed;
    sum.panicked += stats.panicked;
    sum.timed_out += stats.timed_out;
    sum.late += stats.late;
    sum.refused_full += stats.refused_full;
    sum.dead_dropped += stats.dead_dropped;
    sum.abandoned_running += stats.abandoned_running;
    sum.abandoned_waiting += stats.abandoned_waiting;
}

#[test]
fn every_task_comes_to_one_end_and_those_of_a_connection_in_order() {
    for order in [TaskOrder::Connection, TaskOrder::Any] {
        let mut sum = DispatchStats::default();
        for seed in 0..60 {
            let mut world = TaskWorld::new(seed, order);
            world.go_on();
            world.sim.pass(Duration::from_secs(20));
            let stats = world.sim.dispatch_stats();
            assert_eq!(stats.submitted, stats.done + stats.failed, "seed {seed}");
            assert_eq!(
                (stats.overdue, world.sim.stats().links.tasks_pending),
                (0, 0)
            );
            let answers = world.check_answers(order == TaskOrder::Connection);
            assert_eq!(answers, world.asked.iter().sum::<usize>(), "seed {seed}");
            assert_eq!(answers as u64, stats.submitted + stats.refused_full);
            add(&mut sum, &stats);
        }
        let happened = [
            sum.done,
            sum.retried,
            sum.attempts_failed,
            sum.panicked,
            sum.timed_out,
            sum.late,
            sum.refused_full,
            sum.dead_dropped,
        ];
        assert!(happened.iter().all(|&n| n > 10), "{sum:?}");
    }
}

#[test]
fn a_shutdown_finishes_what_was_taken() {
    for seed in 0..60 {
        let mut world = TaskWorld::new(seed, TaskOrder::Connection);
        world.go_on();
        world.sim.shut_down(Duration::from_secs(30));
        let stats = world.sim.dispatch_stats();
        assert_eq!(stats.submitted, stats.done + stats.failed, "seed {seed}");
        assert_eq!(stats.refused_draining, 0, "seed {seed}");
        // What was not read when it began was not taken.
        let answers = world.check_answers(true) as u64;
        assert_eq!(answers, stats.submitted + stats.refused_full, "seed {seed}");
        assert_eq!(world.sim.abandon(), 0);
        world.sim.assert_bare();
    }
}

#[test]
fn what_a_shutdown_has_no_time_for_is_handed_back() {
    let mut sum = DispatchStats::default();
    for seed in 0..60 {
        let mut world = TaskWorld::new(seed, TaskOrder::Connection);
        world.go_on();
        let unfinished = {
            let stats = world.sim.dispatch_stats();
            stats.waiting + stats.delayed + stats.running
        };
        assert_eq!(world.sim.abandon() as u64, unfinished, "seed {seed}");
        let stats = world.sim.dispatch_stats();
        balance(&stats);
        add(&mut sum, &stats);
        // Workers that come back later change nothing.
        world.sim.pass(Duration::from_secs(1));
        let later = world.sim.dispatch_stats();
        assert_eq!(later.done, stats.done);
        assert_eq!((later.overdue, later.running), (0, 0));
        balance(&later);
    }
    assert!(sum.abandoned_running > 10 && sum.abandoned_waiting > 10);
}

#[test]
fn what_failed_for_good_can_be_had_again_and_nobody_is_told_twice() {
    let mut again = 0;
    for seed in 0..40 {
        let mut world = TaskWorld::new(seed, TaskOrder::Connection);
        world.go_on();
        world.sim.pass(Duration::from_secs(20));
        let answers = world.check_answers(true);
        let tasks = world.sim.resubmit_all();
        again += tasks;
        world.sim.pass(Duration::from_secs(20));
        let stats = world.sim.dispatch_stats();
        assert_eq!(stats.submitted, stats.done + stats.failed, "seed {seed}");
        assert_eq!(stats.resubmitted, tasks as u64);
        balance(&stats);
        assert_eq!(world.check_answers(true), answers);
        assert_eq!(world.sim.stats().links.tasks_pending, 0);
    }
    assert!(again > 10);
}

#[test]
fn the_same_seed_does_the_same() {
    let run = |seed| {
        let mut world = TaskWorld::new(seed, TaskOrder::Connection);
        world.go_on();
        world.sim.shut_down(Duration::from_secs(30));
        (world.sim.digest(), world.sim.dispatch_stats())
    };
    for seed in 0..5 {
        assert_eq!(run(seed), run(seed));
    }
}
