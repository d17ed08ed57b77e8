//! Every setting at the ends of its range: numbers neither overflow nor are cut short.

use core::time::Duration;

use stentor_core::config::{ConfigBuilder, Range};
use stentor_core::delivery::MAX_PAYLOAD;
use stentor_core::shard::Admission;
use stentor_core::{
    Config, Context, Decision, Handler, HttpRequest, Message, MessageType, Shard, ShardId,
    TaskOptions, Timestamp,
};
use stentor_sim::Rooms;
use stentor_sim::simulator::{Network, ReadPattern, Sim};

/// A configuration with these values for every limit there is; durations in milliseconds.
fn config(value: impl Fn(&Range) -> u64) -> ConfigBuilder {
    let mut builder = Config::builder().seed(u64::MAX);
    let mut set = 0;
    let mut of = |key: &str| {
        let range = Config::RANGES.iter().find(|range| range.key == key);
        set += 1;
        value(range.unwrap_or_else(|| panic!("no {key}")))
    };
    macro_rules! set {
        ($($kind:ident $key:ident,)*) => {
            $(builder = builder.$key(set!(@of $kind, of(stringify!($key))));)*
        };
        (@of number, $value:expr) => { $value as usize };
        (@of time, $value:expr) => { Duration::from_millis($value) };
    }
    set! {
        number max_message, number max_empty_fragments, number max_head, number max_body, number max_headers,
        number queue_messages, number queue_bytes, number reply_messages, number reply_bytes, number starvation_after,
        time starvation_wait, number write_batch, number unsent_bytes, number unsent_bytes_max,
        number channels_per_connection, number fan_out_slice, number remote_commands,
        number credit_messages, number credit_bytes, number compression_level,
        number compression_threshold, number compression_window, number compression_contexts,
        number memory_budget, time write_timeout, number min_read_rate, number min_send_rate,
        time rate_window, time pong_wait, time ping_interval, time handshake_timeout,
        time close_timeout, time answer_timeout, number task_credits, number task_attempts, time task_backoff,
        time task_backoff_max, time task_timeout, number dead_letters, number gone_connections, number access_sample,
        number shutdown_rate, number address_connections, number address_sessions, number addresses,
        number idempotency_keys, time idempotency_ttl, number message_rate, number byte_rate, time rate_burst,
    }
    assert_eq!(set, Config::RANGES.len(), "a setting is left out");
    builder.compression(true)
}

/// Accepts, says, pings, waits, is stopped and drains, for hours of its own time.
fn live(config: &Config) {
    let mut sim = Sim::rooms(Network::smooth(1), config);
    let (first, last) = (0, usize::from(config.shards()) - 1);
    let clients = [sim.connect(first), sim.connect(last), sim.connect(first)];
    sim.dial(last);
    sim.settle();
    for client in clients {
        for text in ["join:r", "msg:to all", "task:t", "msg#key:news", "echo"] {
            sim.say(client, text);
        }
        sim.settle();
    }
    sim.client_mut(clients[0]).reader = ReadPattern::Stuck;
    sim.client_mut(clients[2]).pongs = false;
    for client in clients {
        sim.say(client, &"x".repeat(5_000));
        sim.say(client, "msg:more");
    }
    sim.settle();
    // Some rounds of the longest and of the shortest time, and a stop that is longer than both.
    sim.pass(Duration::from_secs(1));
    for _ in 0..4 {
        sim.pass(config.ping_interval().min(config.write_timeout()));
        sim.pass_stopped(Duration::from_secs(30 * 3_600));
    }
    let late = sim.connect(first);
    sim.say(late, "join:r");
    sim.settle();
    sim.shut_down(Duration::from_secs(1));
    let stats = sim.stats();
    assert_eq!(stats.links.opened, stats.closed.iter().sum::<u64>());
    assert_eq!(stats.links.held, 0, "{stats:#?}");
}

#[test]
fn a_server_lives_with_every_setting_at_either_end_of_its_range() {
    for shards in [1, 3] {
        let least = config(|range| range.min).shards(shards);
        let most = config(|range| range.max).shards(shards);
        // A ping has to come before the end of the wait for its answer.
        let hour = Duration::from_secs(3_600);
        for config in [
            least.clone().pong_wait(Duration::from_millis(11)),
            least.pong_wait(24 * hour),
            most.clone()
                .ping_interval(24 * hour - Duration::from_millis(1)),
            most.memory_budget(usize::from(shards) << 20)
                .ping_interval(3 * hour),
        ] {
            live(&config.build().expect("in range"));
        }
    }
}

#[test]
fn each_setting_may_be_at_either_end_by_itself() {
    for range in Config::RANGES {
        for end in [range.min, range.max] {
            let is_it = |other: &Range| other.key == range.key;
            let mut builder = config(|other| if is_it(other) { end } else { other.default });
            if range.key == "ping_interval" && end == range.max {
                builder = builder.ping_interval(Duration::from_millis(end - 1));
            }
            if matches!(range.key, "ping_interval" | "pong_wait") {
                let pong_wait = if end == range.min { 11 } else { end };
                builder = builder.pong_wait(Duration::from_millis(pong_wait));
                if range.key == "pong_wait" {
                    builder = builder.ping_interval(Duration::from_millis(10));
                }
            }
            live(&builder.build().unwrap_or_else(|error| panic!("{error}")));
        }
    }
}

#[test]
fn the_first_ping_is_spread_for_any_interval_and_any_number_of_connections() {
    let hour = Duration::from_secs(3_600);
    let config = Config::builder()
        .ping_interval(24 * hour - Duration::from_millis(1))
        .pong_wait(24 * hour);
    let config = config.build().expect("in range");
    let mut shard = Shard::new(ShardId(0), &config, Rooms::default());
    for micros in [0, 1 << 40, u64::MAX] {
        for _ in 0..1_000 {
            shard.accept(Timestamp::from_micros(micros), Admission::Normal);
        }
    }
    assert!(shard.poll_timeout().is_some());
}

/// Says what is far too long, in every way, and then what is not.
struct TooLong;

impl Handler for TooLong {
    type State = ();
    type Task = ();
    type Outcome = ();

    fn on_request(&mut self, _: &HttpRequest<'_>) -> Decision<Self> {
        Decision::accept(())
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        // Nobody touches its pages, so it takes no memory.
        let long = vec![0; MAX_PAYLOAD + 1];
        let (kind, id) = (MessageType::Binary, ctx.id());
        ctx.subscribe(b"r");
        ctx.reply(kind, 1, &long);
        ctx.reply_parts(kind, 1, &long[1..], b"x");
        ctx.publish(b"r", kind, 1, &long);
        ctx.broadcast(kind, 1, &long);
        ctx.send(id, kind, 1, &long);
        let options = TaskOptions::new()
            .delay(Duration::MAX)
            .timeout(Duration::MAX);
        ctx.submit_with((), options);
        ctx.reply(kind, 1, message.payload);
    }
}

#[test]
fn what_an_application_says_too_long_is_refused_where_it_says_it() {
    let config = Config::default();
    let work = Box::new(|_, (): &()| ());
    let mut sim = Sim::new(Network::smooth(1), &config, 1, 8, work, |_| TooLong);
    let client = sim.connect(0);
    sim.say(client, "short");
    sim.pass(Duration::from_secs(1));
    assert_eq!(sim.stats().links.too_long, 5);
    let heard: Vec<_> = sim.client(client).messages().collect();
    assert_eq!(heard, [(MessageType::Binary, &b"short"[..])]);
    sim.pass(Duration::from_secs(3_600));
}
