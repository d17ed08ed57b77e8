//! What was published, and where it stands in the streams of the channels, as far as clients have been
//! told. Answers about streams are compared with a naive list of that.
//!
//! When the server appends a publication is known to lie between two times: when it was sent, and when
//! the first client hears of it. What a channel keeps depends on these, so there may be several answers
//! that are right.

use std::collections::BTreeMap;

use super::setup::{ChannelRules, SubscribersSetup};

/// A publication as it was sent.
#[derive(Clone, Debug)]
pub(super) struct Said {
    pub(super) channel: String,
    /// The connection that sent it.
    pub(super) by: usize,
    pub(super) sent: u64,
    pub(super) payload: Vec<u8>,
    /// Bytes that the server keeps beside the payload.
    pub(super) beside: usize,
    pub(super) is_accepted: bool,
    /// Its epoch and offset.
    pub(super) place: Option<(usize, u64)>,
}

/// All publications and streams.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub(super) said: Vec<Said>,
    channels: BTreeMap<String, Vec<ToldStream>>,
    /// The channel of each epoch.
    epochs: BTreeMap<String, String>,
}

/// A stream of a channel.
#[derive(Debug)]
struct ToldStream {
    epoch: String,
    first_heard: u64,
    /// Of what is known of it, the latest that was sent.
    last_sent: u64,
    /// When it was known that there is another stream by now.
    dead_after: u64,
    /// The greatest offset that was heard of, and the least that it can be of an answer to what is
    /// sent from now on.
    top: u64,
    entries: BTreeMap<u64, LedgerEntry>,
}

#[derive(Clone, Copy, Debug)]
struct LedgerEntry {
    n: usize,
    /// When it was appended, at the earliest and at the latest.
    earliest: u64,
    latest: u64,
}

/// Which publications a channel may keep at some time: those behind one of these offsets.
#[derive(Debug)]
pub(super) struct Kept {
    /// The longest list.
    pub(super) least: u64,
    bases: Vec<u64>,
    /// Any list that is shorter is right as well.
    is_any: bool,
    top: u64,
}

impl Kept {
    /// Returns whether the list may begin behind this offset.
    pub(super) fn allows(&self, base: u64) -> bool {
        self.bases.contains(&base) || self.is_any && (self.least..=self.top).contains(&base)
    }

    /// Returns whether what follows this offset may be there.
    pub(super) fn may_have(&self, offset: u64) -> bool {
        self.least <= offset
    }

    /// Returns whether something that follows this offset may be missing.
    pub(super) fn may_lack(&self, offset: u64) -> bool {
        let latest = self.bases.iter().copied().max().unwrap_or_default();
        let latest = if self.is_any { self.top } else { latest };
        latest > offset
    }
}

/// Returns the number of the publication with this payload.
pub(super) fn number_of(payload: &[u8]) -> Option<usize> {
    let digits = payload.iter().skip_while(|byte| !byte.is_ascii_digit());
    let digits: Vec<u8> = digits
        .take_while(|byte| byte.is_ascii_digit())
        .copied()
        .collect();
    String::from_utf8(digits).ok()?.parse().ok()
}

impl Ledger {
    /// Takes note of a publication that is sent. Returns its number.
    pub(super) fn say(
        &mut self,
        channel: &str,
        by: usize,
        sent: u64,
        beside: usize,
        payload: impl FnOnce(usize) -> Vec<u8>,
    ) -> usize {
        let n = self.said.len();
        self.said.push(Said {
            channel: channel.to_owned(),
            by,
            sent,
            payload: payload(n),
            beside,
            is_accepted: false,
            place: None,
        });
        n
    }

    /// Returns the publication that was heard in a channel.
    ///
    /// # Panics
    /// If nobody has sent it there.
    pub(super) fn identify(&self, channel: &str, payload: &[u8]) -> usize {
        let n = number_of(payload).filter(|&n| n < self.said.len());
        let n = n.unwrap_or_else(|| panic!("{channel}: nobody has sent {payload:?}"));
        let said = &self.said[n];
        assert_eq!(
            said.channel, channel,
            "publication {n} is of another channel"
        );
        n
    }

    fn stream(&mut self, channel: &str, epoch: &str, heard: u64) -> usize {
        if let Some(other) = self.epochs.get(epoch) {
            assert_eq!(other, channel, "the epoch {epoch} is of two channels");
        }
        let streams = self.channels.entry(channel.to_owned()).or_default();
        if let Some(at) = streams.iter().position(|stream| stream.epoch == epoch) {
            return at;
        }
        assert_eq!(epoch.len(), 8, "{channel}: the epoch {epoch:?}");
        self.epochs.insert(epoch.to_owned(), channel.to_owned());
        streams.push(ToldStream {
            epoch: epoch.to_owned(),
            first_heard: heard,
            last_sent: 0,
            dead_after: u64::MAX,
            top: 0,
            entries: BTreeMap::new(),
        });
        streams.len() - 1
    }

    /// Takes note that a stream was there at some time from `sent` to `heard`, with this newest offset.
    /// `floor` is the newest one that was known at `sent`.
    ///
    /// # Panics
    /// If it cannot have been.
    pub(super) fn witness(
        &mut self,
        rules: &ChannelRules,
        (epoch, top): (&str, u64),
        (sent, heard): (u64, u64),
        floor: Option<&(String, u64)>,
    ) {
        let channel = &*rules.name;
        let at = self.stream(channel, epoch, heard);
        let streams = self.channels.get_mut(channel).expect("it was just found");
        let this = &mut streams[at];
        assert!(
            sent < this.dead_after,
            "{channel}: the epoch {epoch} is over since {}, and answers what was sent at {sent}",
            this.dead_after
        );
        if let Some((_, least)) = floor.filter(|(known, _)| known == epoch) {
            assert!(
                top >= *least,
                "{channel}: newest is {top}, and was {least} before"
            );
        }
        this.last_sent = this.last_sent.max(sent);
        this.top = this.top.max(top);
        if let Some(entry) = this.entries.get_mut(&top) {
            entry.latest = entry.latest.min(heard);
        }
        for other in streams.iter_mut().filter(|other| other.epoch != epoch) {
            if other.first_heard > sent {
                continue;
            }
            other.dead_after = other.dead_after.min(heard);
            // Nobody may forget the position sooner.
            let ttl = match other.top {
                0 => rules.options.history_ttl,
                _ => rules.position_ttl(),
            };
            assert!(
                heard >= other.last_sent + ttl.as_micros() as u64,
                "{channel}: {epoch} at {heard}, but {} was asked for at {} and lives for {ttl:?}",
                other.epoch,
                other.last_sent
            );
        }
    }

    /// Takes note of the place of a publication.
    ///
    /// # Panics
    /// If it has another, or another has the place.
    pub(super) fn place(
        &mut self,
        channel: &str,
        (epoch, offset): (&str, u64),
        n: usize,
        heard: u64,
    ) {
        let at = self.stream(channel, epoch, heard);
        let streams = self.channels.get_mut(channel).expect("it was just found");
        let said = &mut self.said[n];
        let place = *said.place.get_or_insert((at, offset));
        assert_eq!(
            place,
            (at, offset),
            "{channel}: the place of publication {n}"
        );
        let stream = &mut streams[at];
        stream.top = stream.top.max(offset);
        stream.last_sent = stream.last_sent.max(said.sent);
        let entry = stream.entries.entry(offset).or_insert(LedgerEntry {
            n,
            earliest: said.sent,
            latest: heard,
        });
        assert_eq!(entry.n, n, "{channel}: at offset {offset} of {epoch}");
        entry.latest = entry.latest.min(heard);
    }

    /// Returns the stream that is not known to be over, with its newest offset.
    pub(super) fn newest(&self, channel: &str) -> Option<(String, u64)> {
        let streams = self.channels.get(channel)?;
        let alive = streams
            .iter()
            .filter(|stream| stream.dead_after == u64::MAX);
        let newest = alive.max_by_key(|stream| stream.last_sent)?;
        Some((newest.epoch.clone(), newest.top))
    }

    /// Returns the newest offset of a stream.
    pub(super) fn top_of(&self, channel: &str, epoch: &str) -> u64 {
        let streams = self.channels.get(channel).into_iter().flatten();
        let stream = streams.into_iter().find(|stream| stream.epoch == epoch);
        stream.map_or(0, |stream| stream.top)
    }

    /// Returns how many publications to a channel that were sent by then have no place yet.
    pub(super) fn unplaced(&self, channel: &str, by: u64) -> usize {
        let said = self.said.iter();
        said.filter(|said| said.channel == channel && said.sent <= by && said.place.is_none())
            .count()
    }

    /// Returns whether every stream of a channel that is known may be over.
    pub(super) fn may_be_over(&self, rules: &ChannelRules, now: u64) -> bool {
        let mut streams = self.channels.get(&rules.name).into_iter().flatten();
        streams.all(|stream| {
            let ttl = match stream.top {
                0 => rules.options.history_ttl,
                _ => rules.position_ttl(),
            };
            now >= stream.last_sent + ttl.as_micros() as u64
        })
    }

    /// Returns how many epochs of a channel are known.
    pub(super) fn epochs_of(&self, channel: &str) -> usize {
        self.channels.get(channel).map_or(0, Vec::len)
    }

    /// Checks that publications of one connection have their places in the order in which they were
    /// sent.
    ///
    /// # Panics
    /// If they have not.
    pub(super) fn check_order(&self) {
        let mut last: BTreeMap<(usize, &str, usize), u64> = BTreeMap::new();
        for (n, said) in self.said.iter().enumerate() {
            let Some((epoch, offset)) = said.place else {
                continue;
            };
            let before = last.insert((said.by, &said.channel, epoch), offset);
            assert!(
                before.is_none_or(|before| before < offset),
                "{}: publication {n} of connection {} is at {offset}, after {before:?}",
                said.channel,
                said.by
            );
        }
    }

    /// Returns what a channel may keep at some time from `sent` to `heard`, when this offset is the
    /// newest.
    pub(super) fn kept(
        &self,
        setup: &SubscribersSetup,
        rules: &ChannelRules,
        (epoch, top): (&str, u64),
        (sent, heard): (u64, u64),
    ) -> Kept {
        let ttl = rules.options.history_ttl.as_micros() as u64;
        let none = BTreeMap::new();
        let streams = self.channels.get(&rules.name).into_iter().flatten();
        let mut streams = streams.filter(|stream| stream.epoch == epoch);
        let entries = streams.next().map_or(&none, |stream| &stream.entries);
        // Appended in order: not before those before it, and not after those behind it.
        let known: Vec<(u64, LedgerEntry)> = entries
            .range(..=top)
            .map(|(&at, &entry)| (at, entry))
            .collect();
        let mut bounds: Vec<(u64, u64, u64)> = Vec::new();
        let mut earliest = 0;
        for (offset, entry) in &known {
            earliest = earliest.max(entry.earliest);
            bounds.push((*offset, earliest, entry.latest));
        }
        let mut latest = heard;
        for bound in bounds.iter_mut().rev() {
            latest = latest.min(bound.2);
            bound.2 = latest;
        }

        let mut least = top.saturating_sub(rules.options.history_size.into());
        let (mut bytes, mut offset, mut is_exact) = (0, top, true);
        while offset > least {
            match entries.get(&offset) {
                Some(entry) => {
                    let said = &self.said[entry.n];
                    bytes += said.payload.len() + said.beside;
                }
                None => is_exact = false,
            }
            if bytes > setup.settings.client.history_max_bytes {
                least = offset;
                break;
            }
            offset -= 1;
        }
        let mut bases = Vec::new();
        for pair in bounds.windows(2) {
            let [(before, early, late), (after, next_early, next_late)] = *pair else {
                continue;
            };
            // With unknown ones between them, the gap may be anywhere.
            let places = before..after;
            if next_early >= late + ttl && after == before + 1 {
                least = least.max(before);
            }
            if next_late >= early + ttl {
                bases.extend(places);
            }
        }
        let newest = bounds.last().filter(|(offset, ..)| *offset == top);
        let (early, late) = newest.map_or((0, heard), |&(_, early, late)| (early, late));
        if heard >= early + ttl {
            bases.push(top);
        }
        if sent >= late + ttl {
            least = top;
        }
        bases.push(least);
        bases.retain(|&base| base >= least);
        Kept {
            least,
            bases,
            is_any: setup.is_tight || !is_exact,
            top,
        }
    }
}
