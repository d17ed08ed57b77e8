//! Tests of the defaults, the ranges and the checks.

use alloc::string::String;
use alloc::vec;
use core::time::Duration;

use crate::config::limits::{GIB, MIB};
use crate::config::{Config, ConfigBuilder};
use crate::proto::client::ClientConfig;
use crate::proto::http::{Hosts, Page, Pages};
use crate::proto::ws::deflate;
use crate::proto::ws::upgrade::Origins;

#[test]
fn the_defaults_are_valid() {
    Config::builder().build().expect("defaults are in range");
    for range in Config::RANGES {
        assert!(
            range.min <= range.default && range.default <= range.max,
            "{}",
            range.key
        );
    }
}

#[test]
fn every_limit_has_a_name_and_a_help_text_and_is_settable() {
    for range in Config::RANGES.iter().chain([&Config::SHARDS]) {
        let (section, name) = range.setting.split_once('.').expect("a dotted name");
        assert!(!section.is_empty() && !name.is_empty(), "{}", range.setting);
        assert!(!range.about().is_empty(), "{}", range.key);
        assert_eq!(
            range.get(&Config::default()),
            range.default,
            "{}",
            range.key
        );
        let other = if range.default == range.max {
            range.min
        } else {
            range.max
        };
        let ConfigBuilder(config) = Config::builder().limit(range, other);
        assert_eq!(range.get(&config), other, "{}", range.key);
    }
}

#[test]
fn a_setting_that_is_no_limit_is_returned_as_it_was_set() {
    let page = Page::fixed("/", "text/html", "<p>");
    let protocols = vec![String::from("b"), String::from("a")];
    let hosts = Hosts {
        any: false,
        allowed: vec!["example.org".parse().expect("a host")],
    };
    let config = Config::builder()
        .seed(7)
        .shards(3)
        .compression(true)
        .origins(Origins {
            any: true,
            ..Origins::default()
        })
        .hosts(hosts.clone())
        .page(page.clone())
        .subprotocols(protocols.clone())
        .build()
        .expect("all are valid");
    assert_eq!((config.seed(), config.shards()), (7, 3));
    assert_eq!(config.compression(), deflate::IS_BUILT);
    assert_eq!(config.hosts().allowed, hosts.allowed);
    assert!(config.origins().any && !config.hosts().any);
    assert_eq!(config.pages().at("/"), Some(&page));
    assert_eq!(config.subprotocols(), protocols);

    let config = Config::default();
    assert_eq!((config.seed(), config.shards()), (0, 1));
    assert!(!config.compression());
    assert!(config.hosts().any && !config.origins().any);
    assert_eq!(config.pages(), &Pages::new());
    assert!(config.subprotocols().is_empty());
}

#[test]
fn a_timer_ticks_sixteen_times_in_the_shortest_timeout() {
    let second = Duration::from_secs(1);
    let tick = |builder: ConfigBuilder| builder.build().expect("in range").tick();
    let builder = || Config::builder().ping_interval(50 * second);
    assert_eq!(tick(builder()), Duration::from_secs(5) / 16);
    for builder in [
        builder().write_timeout(second),
        builder().ping_interval(second),
        builder().handshake_timeout(second),
        builder().answer_timeout(second),
        builder().close_timeout(second),
        builder().rate_window(second),
    ] {
        assert_eq!(tick(builder), second / 16);
    }
}

#[test]
fn a_value_outside_its_range_is_refused() {
    let build = |n| Config::builder().max_message(n).build();
    assert!(build(1).is_ok() && build(GIB).is_ok());
    let error = build(0).expect_err("below the range");
    assert_eq!(
        (error.key, error.value, error.min, error.max),
        ("max_message", 0, 1, GIB as u64)
    );
    assert!(build(GIB + 1).is_err());
}

#[test]
fn a_memory_budget_below_the_minimum_per_shard_is_refused() {
    let build = |budget| Config::builder().shards(2).memory_budget(budget).build();
    assert!(build(0).is_ok() && build(2 * MIB).is_ok());
    let error = build(2 * MIB - 1).expect_err("too little");
    assert_eq!((error.key, error.min), ("memory_budget", 2 << 20));
}

#[test]
fn a_ping_interval_of_the_pong_wait_is_refused() {
    let build = |ping, wait| {
        Config::builder()
            .ping_interval(Duration::from_millis(ping))
            .pong_wait(Duration::from_millis(wait))
            .build()
    };
    assert!(build(99, 100).is_ok());
    let error = build(100, 100).expect_err("no time for the pong");
    assert_eq!((error.key, error.max), ("ping_interval", 99));
}

#[test]
fn the_defaults_of_a_client_are_those_of_a_server() {
    let (client, server) = (ClientConfig::default(), Config::default());
    assert_eq!(client.head, server.head_limits());
    assert_eq!(client.message, server.message_limits());
    assert_eq!(
        usize::from(client.compression_level),
        server.compression_level()
    );
    assert_eq!(client.compression_threshold, server.compression_threshold());
}
