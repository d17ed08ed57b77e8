//! Collector of metrics pages: queries the shards, one page at a time, for all requests.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use stentor_core::ConnId;

use super::last_counters::LastCounters;
use crate::Settings;
use crate::inspect::{AdminBackend, AdminQuery};

/// Makes metrics pages. Requests that arrive while a page is made share the next one, and there is
/// at most one page per [`MIN_INTERVAL`]. So the work does not depend on the number of requests, and
/// no page is older than its request.
pub struct Collector {
    settings: Arc<Settings>,
    /// Number of pages begun.
    begun: AtomicU64,
    last: Mutex<LastPage>,
}

struct LastPage {
    counters: LastCounters,
    page: Arc<str>,
    number: u64,
    /// When the page was begun.
    at: Option<Instant>,
}

impl Collector {
    /// Returns the collector of a server with these settings.
    #[must_use]
    pub fn new(settings: &Arc<Settings>) -> Self {
        Self {
            settings: settings.clone(),
            begun: AtomicU64::new(0),
            last: Mutex::new(LastPage {
                counters: LastCounters::new(settings),
                page: "".into(),
                number: 0,
                at: None,
            }),
        }
    }

    /// Returns the settings of the server.
    pub(crate) fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Returns a page whose counters are not older than this call. Waits for the shards.
    pub fn page<B: AdminBackend>(&self, backend: &B) -> Arc<str> {
        self.page_from(self.next(), backend)
    }

    /// Returns the number of the first page that has not been begun.
    fn next(&self) -> u64 {
        self.begun.load(Ordering::SeqCst) + 1
    }

    /// Returns the page with this number, or a later one.
    fn page_from<B: AdminBackend>(&self, number: u64, backend: &B) -> Arc<str> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last.number < number {
            let since = last.at.map(|at| at.elapsed());
            if let Some(rest) = since.and_then(|since| MIN_INTERVAL.checked_sub(since)) {
                thread::sleep(rest);
            }
            last.at = Some(Instant::now());
            last.number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            last.page = self.make(&mut last.counters, backend).into();
        }
        last.page.clone()
    }

    fn make<B: AdminBackend>(&self, last: &mut LastCounters, backend: &B) -> String {
        let shards: Vec<_> = backend.limiter().shards().collect();
        last.begin();
        for (shard, answer) in backend.ask(&shards, &Arc::new(AdminQuery::Counters)) {
            if let Some(counters) = answer.counters() {
                last.answer(shard, counters);
            }
        }
        let (dispatch, remote) = (backend.dispatcher().stats(), backend.remote_stats());
        let (limiter, counters) = (backend.limiter(), backend.counters());
        last.page(&self.settings, dispatch, remote, limiter, counters)
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Collector");
        debug.field("begun", &self.begun).finish_non_exhaustive()
    }
}

/// Answers requests that arrived at connections of shards, until all senders are gone or a `None`
/// arrives. A connection has one at a time, so there are never more than connections. Requests that arrive before a
/// page is begun share it.
pub fn serve<B: AdminBackend>(
    requests: &Receiver<Option<ConnId>>,
    backend: &B,
    collector: &Collector,
    answer: impl Fn(ConnId, &Arc<str>),
) {
    while let Ok(Some(first)) = requests.recv() {
        let mut waiting = vec![first];
        let mut ends = false;
        for request in requests.try_iter() {
            match request {
                Some(id) => waiting.push(id),
                None => ends = true,
            }
        }
        let page = collector.page(backend);
        for id in waiting {
            answer(id, &page);
        }
        if ends {
            return;
        }
    }
}

/// Minimum time from one page to the next.
pub const MIN_INTERVAL: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use stentor_core::ShardId;
    use stentor_core::channels::RemoteStats;
    use stentor_core::node::ConnectionLimiter;
    use stentor_core::stats::Stats;
    use stentor_core::tasks::Wakeups;

    use super::*;
    use crate::counters::ServerCounters;
    use crate::dispatch::SharedDispatcher;
    use crate::inspect::{ShardAnswer, ShardCounters};
    use crate::remote::{AcceptError, IncomingSocket};

    /// A server of one shard, whose answer is the number of queries so far.
    struct QueryCounter {
        dispatcher: SharedDispatcher<u8>,
        limiter: ConnectionLimiter,
        counters: ServerCounters,
        collector: Collector,
        asked: AtomicU64,
    }

    impl QueryCounter {
        fn new() -> Self {
            let args = ["stentor", "--shards=1"];
            let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
            Self {
                dispatcher: SharedDispatcher::new(&settings.config, 1, 1),
                limiter: ConnectionLimiter::new(1, None),
                counters: ServerCounters::default(),
                collector: Collector::new(&Arc::new(settings)),
                asked: AtomicU64::new(0),
            }
        }

        fn asked(&self) -> u64 {
            self.asked.load(Ordering::SeqCst)
        }
    }

    impl AdminBackend for QueryCounter {
        type Task = u8;

        fn ask(&self, shards: &[ShardId], _: &Arc<AdminQuery>) -> Vec<(ShardId, ShardAnswer)> {
            let mut stats = Stats::default();
            stats.links.accepted = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            let answer = |&shard| {
                (
                    shard,
                    ShardAnswer::of_counters(ShardCounters {
                        stats,
                        ..ShardCounters::default()
                    }),
                )
            };
            shards.iter().map(answer).collect()
        }

        fn dispatcher(&self) -> &SharedDispatcher<u8> {
            &self.dispatcher
        }

        fn wake(&self, _: Wakeups) {}

        fn limiter(&self) -> &ConnectionLimiter {
            &self.limiter
        }

        fn counters(&self) -> &ServerCounters {
            &self.counters
        }

        fn accept(self: Arc<Self>, _: IncomingSocket) -> Result<(), AcceptError> {
            Err(AcceptError::Ended)
        }

        fn remote_stats(&self) -> RemoteStats {
            RemoteStats::default()
        }
    }

    fn shows(page: &str, accepted: u64) -> bool {
        page.contains(&format!("\nstentor_sockets_accepted_total {accepted}\n"))
    }

    #[test]
    fn requests_before_a_page_is_begun_share_it_and_later_ones_do_not() {
        let backend = QueryCounter::new();
        let collector = &backend.collector;
        let early: Vec<_> = (0..100).map(|_| collector.next()).collect();
        for number in early {
            assert!(shows(&collector.page_from(number, &backend), 1));
        }
        assert_eq!(backend.asked(), 1);
        assert!(shows(&collector.page(&backend), 2), "a new page");
        assert_eq!(backend.asked(), 2);
    }

    #[test]
    fn pages_are_a_minimum_interval_apart() {
        let backend = QueryCounter::new();
        let begun: Vec<_> = (0..3)
            .map(|_| {
                backend.collector.page(&backend);
                backend.collector.last.lock().expect("no panic").at
            })
            .collect();
        for two in begun.windows(2) {
            let [Some(one), Some(next)] = *two else {
                panic!("begun")
            };
            assert!(next - one >= MIN_INTERVAL, "{two:?}");
        }
    }

    #[test]
    fn requests_that_wait_are_answered_with_one_page() {
        let backend = QueryCounter::new();
        let (requests, receiver) = channel();
        let id = |slot| -> ConnId { format!("0.{slot}#0").parse().expect("a name") };
        for slot in 0..50 {
            requests.send(Some(id(slot))).expect("a receiver");
        }
        requests.send(None).expect("a receiver");
        let answered = Mutex::new(Vec::new());
        serve(&receiver, &backend, &backend.collector, |id, page| {
            assert!(shows(page, 1));
            answered.lock().expect("no panic").push(id);
        });
        let expected: Vec<_> = (0..50).map(id).collect();
        assert_eq!(*answered.lock().expect("no panic"), expected);
        assert_eq!(backend.asked(), 1);
    }
}
