//! Making pages of metrics: asks the shards what they have counted, one page at a time, for
//! everyone who wants one. Whom the pages go to is not known here.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use stentor_core::ConnId;

use super::survey::MetricsCollector;
use crate::Settings;
use crate::admin::{AdminBackend, AdminQuery};

/// Makes pages of metrics. Whoever asks while one is made gets the next, which all who ask
/// meanwhile share; and there is at most one in every [`PACE`]. So however many ask, shards and
/// process have no more work than that, and what a page says is never older than the request.
pub struct Collector {
    settings: Arc<Settings>,
    /// How many pages have been begun.
    begun: AtomicU64,
    made: Mutex<Made>,
}

struct Made {
    survey: MetricsCollector,
    /// The last page, and which it is.
    page: Arc<str>,
    number: u64,
    /// When it was begun.
    at: Option<Instant>,
}

impl Collector {
    /// That of a server with these settings.
    #[must_use]
    pub fn new(settings: &Arc<Settings>) -> Self {
        Self {
            settings: settings.clone(),
            begun: AtomicU64::new(0),
            made: Mutex::new(Made {
                survey: MetricsCollector::new(settings),
                page: "".into(),
                number: 0,
                at: None,
            }),
        }
    }

    /// A page of which nothing was counted before this call. Waits for the answers of the shards.
    pub fn page<R: AdminBackend>(&self, reach: &R) -> Arc<str> {
        self.page_from(self.next(), reach)
    }

    /// The number of the first page that has not been begun.
    fn next(&self) -> u64 {
        self.begun.load(Ordering::SeqCst) + 1
    }

    /// A page with this number, or a later one.
    fn page_from<R: AdminBackend>(&self, number: u64, reach: &R) -> Arc<str> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.number < number {
            let since = made.at.map(|at| at.elapsed());
            if let Some(rest) = since.and_then(|since| PACE.checked_sub(since)) {
                thread::sleep(rest);
            }
            made.at = Some(Instant::now());
            made.number = self.begun.fetch_add(1, Ordering::SeqCst) + 1;
            made.page = self.make(&mut made.survey, reach).into();
        }
        made.page.clone()
    }

    fn make<R: AdminBackend>(&self, survey: &mut MetricsCollector, reach: &R) -> String {
        let shards: Vec<_> = reach.census().shards().collect();
        survey.begin();
        for (shard, answer) in reach.ask(&shards, &Arc::new(AdminQuery::counters())) {
            if let Some((counted, turns)) = answer.counters() {
                survey.answer(shard, counted, turns);
            }
        }
        let (dispatch, remote) = (reach.desk().stats(), reach.remote());
        survey.page(&self.settings, dispatch, remote, reach.census())
    }
}

impl fmt::Debug for Collector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Collector");
        debug.field("begun", &self.begun).finish_non_exhaustive()
    }
}

/// A request for the metrics that came to a shard. A connection asks once, so there are never
/// more of these than connections.
#[derive(Clone, Copy, Debug)]
pub struct Scrape {
    /// Who asks.
    pub id: ConnId,
    /// Whether the answer is its head only.
    pub head_only: bool,
}

/// Answers such requests for as long as anybody can make one, or until there is a `None`. Those
/// that have come by the time a page is begun share it.
pub fn serve<R: AdminBackend>(
    requests: &Receiver<Option<Scrape>>,
    reach: &R,
    answer: impl Fn(Scrape, &Arc<str>),
) {
    while let Ok(Some(first)) = requests.recv() {
        let mut waiting = vec![first];
        let mut ends = false;
        for request in requests.try_iter() {
            match request {
                Some(scrape) => waiting.push(scrape),
                None => ends = true,
            }
        }
        let page = reach.collector().page(reach);
        for scrape in waiting {
            answer(scrape, &page);
        }
        if ends {
            return;
        }
    }
}

/// The shortest time from one page to the next.
pub const PACE: Duration = Duration::from_millis(20);

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use stentor_core::{RemoteStats, ShardId, Stats};

    use super::*;
    use crate::admin::Answer;
    use crate::{ConnectionLimiter, SharedDispatcher, Turns, Wakeups};

    /// A server of one shard, which says how often it has been asked.
    struct Counting {
        desk: SharedDispatcher<u8>,
        census: ConnectionLimiter,
        collector: Collector,
        asked: AtomicU64,
    }

    impl Counting {
        fn new() -> Self {
            let args = ["stentor", "--shards=1"];
            let settings = Settings::parse(args, |_| None, |_| unreachable!()).expect("valid");
            Self {
                desk: SharedDispatcher::new(&settings),
                census: ConnectionLimiter::new(&settings),
                collector: Collector::new(&Arc::new(settings)),
                asked: AtomicU64::new(0),
            }
        }

        fn asked(&self) -> u64 {
            self.asked.load(Ordering::SeqCst)
        }
    }

    impl AdminBackend for Counting {
        type Task = u8;

        fn ask(&self, shards: &[ShardId], _: &Arc<AdminQuery>) -> Vec<(ShardId, Answer)> {
            let mut stats = Stats::default();
            stats.links.accepted = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
            let answer = |&shard| (shard, Answer::counted(stats, Turns::default()));
            shards.iter().map(answer).collect()
        }

        fn desk(&self) -> &SharedDispatcher<u8> {
            &self.desk
        }

        fn call(&self, _: Wakeups) {}

        fn census(&self) -> &ConnectionLimiter {
            &self.census
        }

        fn remote(&self) -> RemoteStats {
            RemoteStats::default()
        }

        fn collector(&self) -> &Collector {
            &self.collector
        }
    }

    fn says(page: &str, accepted: u64) -> bool {
        page.contains(&format!("\nstentor_sockets_accepted_total {accepted}\n"))
    }

    #[test]
    fn those_who_ask_before_a_page_is_begun_share_it_and_those_after_do_not() {
        let reach = Counting::new();
        let collector = &reach.collector;
        let early: Vec<_> = (0..100).map(|_| collector.next()).collect();
        for number in early {
            assert!(says(&collector.page_from(number, &reach), 1));
        }
        assert_eq!(reach.asked(), 1);
        assert!(says(&collector.page(&reach), 2), "not the one of before");
        assert_eq!(reach.asked(), 2);
    }

    #[test]
    fn pages_keep_their_distance() {
        let reach = Counting::new();
        let begun: Vec<_> = (0..3)
            .map(|_| {
                reach.collector.page(&reach);
                reach.collector.made.lock().expect("no panic").at
            })
            .collect();
        for two in begun.windows(2) {
            let [Some(one), Some(next)] = *two else {
                panic!("begun")
            };
            assert!(next - one >= PACE, "{two:?}");
        }
    }

    #[test]
    fn requests_that_have_come_are_answered_with_one_page() {
        let reach = Counting::new();
        let (requests, receiver) = channel();
        let scrape = |slot| Scrape {
            id: format!("0.{slot}#0").parse().expect("a name"),
            head_only: false,
        };
        for slot in 0..50 {
            requests.send(Some(scrape(slot))).expect("somebody listens");
        }
        requests.send(None).expect("somebody listens");
        let answered = Mutex::new(Vec::new());
        serve(&receiver, &reach, |scrape, page| {
            assert!(says(page, 1));
            answered.lock().expect("no panic").push(scrape.id);
        });
        let expected: Vec<_> = (0..50).map(|slot| scrape(slot).id).collect();
        assert_eq!(*answered.lock().expect("no panic"), expected);
        assert_eq!(reach.asked(), 1);
    }
}
