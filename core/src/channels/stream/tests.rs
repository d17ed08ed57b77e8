//! Tests of the stream of one channel, against a list that is searched.

use core::time::Duration;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::proto::ws::opcode::MessageType;

const RETENTION: Retention = Retention {
    messages: 5,
    bytes: 100,
    ttl: Duration::from_secs(10),
    position_ttl: Duration::from_secs(100),
};

/// A list that is searched.
struct NaiveStream {
    published: Vec<(u64, Timestamp, usize)>,
    retention: Retention,
}

impl NaiveStream {
    /// The offsets that are kept.
    fn kept(&self, now: Timestamp) -> Vec<u64> {
        let newest = self.published.last().map(|&(_, at, _)| at);
        if newest.is_none_or(|at| at.after(self.retention.ttl) <= now) {
            return Vec::new();
        }
        // A list that had expired begins anew.
        let mut kept: Vec<&(u64, Timestamp, usize)> = Vec::new();
        for publication in &self.published {
            if kept
                .last()
                .is_some_and(|last| last.1.after(self.retention.ttl) <= publication.1)
            {
                kept.clear();
            }
            kept.push(publication);
            while kept.len() > self.retention.messages as usize
                || kept.iter().map(|each| each.2).sum::<usize>() > self.retention.bytes
            {
                kept.remove(0);
            }
        }
        kept.iter().map(|each| each.0).collect()
    }

    fn top(&self) -> u64 {
        self.published.len() as u64
    }
}

fn publication(len: usize) -> KeptPublication {
    KeptPublication {
        offset: 0,
        kind: MessageType::Text,
        payload: Bytes::from(alloc::vec![b'x'; len]),
        annotation: Bytes::from_static(b"a"),
    }
}

fn offsets(publications: &[KeptPublication]) -> Vec<u64> {
    publications.iter().map(|each| each.offset).collect()
}

#[derive(Clone, Debug)]
enum StreamStep {
    Publish(usize),
    Wait(u64),
    Recover {
        offset: u64,
        epoch: u8,
        limit: u32,
        latest: bool,
    },
    History {
        since: Option<(u64, u8)>,
        limit: u32,
        reverse: bool,
    },
    Clear,
}

fn op() -> impl Strategy<Value = StreamStep> {
    prop_oneof![
        4 => (0_usize..60).prop_map(StreamStep::Publish),
        2 => (0_u64..12).prop_map(StreamStep::Wait),
        3 => (0_u64..20, 0_u8..3, 0_u32..8, any::<bool>())
            .prop_map(|(offset, epoch, limit, latest)| StreamStep::Recover { offset, epoch, limit, latest }),
        3 => (proptest::option::of((0_u64..20, 0_u8..3)), 0_u32..8, any::<bool>())
            .prop_map(|(since, limit, reverse)| StreamStep::History { since, limit, reverse }),
        1 => Just(StreamStep::Clear),
    ]
}

proptest! {
    /// What is kept, recovered and shown agrees with a list that is searched.
    #[test]
    fn agrees_with_a_naive_list(ops in vec(op(), 1..60)) {
        let epoch = Epoch::from_bits(77);
        let known = |which: u8| match which {
            0 => None,
            1 => Some(epoch),
            _ => Some(Epoch::UNKNOWN),
        };
        let mut now = Timestamp::ORIGIN;
        let mut stream = ChannelStream::new(epoch, &RETENTION, now);
        let mut naive = NaiveStream { published: Vec::new(), retention: RETENTION };
        let mut cleared = 0;
        for op in ops {
            let kept: Vec<u64> =
                naive.kept(now).into_iter().filter(|&offset| offset > cleared).collect();
            match op {
                StreamStep::Publish(len) => {
                    naive.published.push((naive.top() + 1, now, len + 1));
                    let position = stream.append(publication(len), &RETENTION, now);
                    prop_assert_eq!(position, Position { epoch, offset: naive.top() });
                }
                StreamStep::Wait(seconds) => now = now.after(Duration::from_secs(seconds)),
                StreamStep::Clear => {
                    stream.clear();
                    cleared = naive.top();
                }
                StreamStep::Recover { offset, epoch: which, limit, latest } => {
                    let recovered = stream.recover(
                        &Recovery {
                            scope: if latest { RecoveryScope::Latest } else { RecoveryScope::All },
                            since: Since { epoch: known(which), offset },
                            limit,
                            is_required: false,
                        },
                        now,
                    );
                    let given = offsets(&recovered.publications);
                    let is_at_top = which == 1 && offset == naive.top();
                    if latest {
                        let latest = kept.last().copied().filter(|_| !is_at_top);
                        prop_assert_eq!(recovered.is_complete, latest.is_some() || is_at_top);
                        prop_assert_eq!(given, latest.into_iter().collect::<Vec<_>>());
                    } else {
                        let missed: Vec<u64> = (offset + 1..=naive.top()).collect();
                        let is_complete = which < 2
                            && offset <= naive.top()
                            && missed.len() <= limit as usize
                            && missed.iter().all(|offset| kept.contains(offset));
                        prop_assert_eq!(recovered.is_complete, is_complete);
                        prop_assert_eq!(given, if is_complete { missed } else { Vec::new() });
                    }
                }
                StreamStep::History { since, limit, reverse } => {
                    let answer = stream.history(
                        &HistoryQuery {
                            retention: RETENTION,
                            since: since.map(|(offset, which)| Since { epoch: known(which), offset }),
                            limit,
                            reverse,
                        },
                        now,
                    );
                    if since.is_some_and(|(_, which)| which == 2) {
                        prop_assert_eq!(answer, ChannelAnswer::ForeignEpoch(stream.position()));
                        continue;
                    }
                    let mut expected: Vec<u64> = kept
                        .iter()
                        .copied()
                        .filter(|&offset| match since {
                            None => true,
                            Some((since, _)) if reverse => offset < since,
                            Some((since, _)) => offset > since,
                        })
                        .collect();
                    if reverse {
                        expected.reverse();
                    }
                    expected.truncate(limit as usize);
                    let ChannelAnswer::History { position, publications } = answer else {
                        panic!("{answer:?}");
                    };
                    prop_assert_eq!(position.offset, naive.top());
                    prop_assert_eq!(offsets(&publications), expected);
                }
            }
            let bytes: usize = stream.kept.iter().map(bytes_of).sum();
            prop_assert_eq!(bytes, stream.kept_bytes);
        }
    }
}
