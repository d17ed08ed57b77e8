//! Stream of one channel at its owner: epoch, offset of the newest publication, and the publications
//! that are kept, bounded in number, bytes and time.

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;

use crate::channels::publication::{KeptPublication, Retention, Version};
use crate::channels::query::{ChannelAnswer, HistoryQuery};
use crate::channels::saved::SavedStream;
use crate::channels::subscription::{Recovery, RecoveryScope, Since};
use crate::position::{Epoch, Position};
use crate::time::Timestamp;

/// The stream of a channel.
#[derive(Debug)]
pub(crate) struct ChannelStream {
    epoch: Epoch,
    /// The offset of the newest publication, kept or not.
    top: u64,
    /// The newest ones, the oldest first.
    kept: VecDeque<KeptPublication>,
    /// Bytes of their payloads and annotations.
    kept_bytes: usize,
    /// From when on none is kept.
    kept_until: Timestamp,
    /// From when on the stream may be forgotten.
    known_until: Timestamp,
    /// Whether something else was published to the channel since the newest one, or a member has not
    /// got that.
    is_interrupted: bool,
    /// The version of the newest publication that has one.
    version: Option<Box<Version<Bytes>>>,
}

/// What a subscriber has missed.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Recovered {
    pub(crate) is_complete: bool,
    pub(crate) publications: Vec<KeptPublication>,
}

impl ChannelStream {
    /// Creates a stream without publications, to be known for as long as it would keep some.
    pub(crate) fn new(epoch: Epoch, retention: &Retention, now: Timestamp) -> Self {
        Self {
            epoch,
            top: 0,
            kept: VecDeque::new(),
            kept_bytes: 0,
            kept_until: now,
            known_until: now.after(retention.ttl),
            is_interrupted: false,
            version: None,
        }
    }

    /// Returns a stream as it was saved, `elapsed` ago; `None` if it may be forgotten by now.
    pub(crate) fn restored(saved: &SavedStream, elapsed: Duration, now: Timestamp) -> Option<Self> {
        let known_for = saved.known_for.checked_sub(elapsed)?;
        let kept_for = saved.kept_for.saturating_sub(elapsed);
        let mut stream = Self {
            epoch: saved.epoch,
            top: saved.offset,
            kept: saved.publications.iter().cloned().collect(),
            kept_bytes: saved.publications.iter().map(bytes_of).sum(),
            kept_until: now.after(kept_for),
            known_until: now.after(known_for),
            // Nobody is known to have got its newest one.
            is_interrupted: true,
            version: None,
        };
        stream.expire(now);
        (!known_for.is_zero()).then_some(stream)
    }

    /// Returns the stream as it is saved, under the name of its channel.
    pub(crate) fn saved(&self, channel: &Bytes, now: Timestamp) -> SavedStream {
        let publications = match self.kept_until > now {
            true => self.kept.iter().cloned().collect(),
            false => Vec::new(),
        };
        SavedStream {
            channel: channel.clone(),
            epoch: self.epoch,
            offset: self.top,
            kept_for: self.kept_until.since(now),
            known_for: self.known_until.since(now),
            publications,
        }
    }

    pub(crate) const fn position(&self) -> Position {
        Position {
            epoch: self.epoch,
            offset: self.top,
        }
    }

    /// Returns when something of it is due to be forgotten.
    pub(crate) fn due(&self) -> Timestamp {
        match self.kept.is_empty() {
            true => self.known_until,
            false => self.kept_until.min(self.known_until),
        }
    }

    /// Returns whether it may be forgotten.
    pub(crate) fn is_over(&self, now: Timestamp) -> bool {
        self.known_until <= now
    }

    /// Returns the number of publications that are kept, and their bytes.
    pub(crate) fn kept(&self) -> (usize, usize) {
        (self.kept.len(), self.kept_bytes)
    }

    /// Returns the bytes of memory that it owns.
    pub(crate) fn memory(&self) -> usize {
        let version = self.version.as_ref();
        let version = version.map_or(0, |version| size_of_val(&**version) + version.epoch.len());
        self.kept_bytes + self.kept.capacity() * size_of::<KeptPublication>() + version
    }

    /// Notes that somebody is interested: the position is known for longer.
    pub(crate) fn touch(&mut self, retention: &Retention, now: Timestamp) {
        let time = match self.top {
            // Nobody can have missed anything of it.
            0 => retention.ttl,
            _ => retention.position_ttl.max(retention.ttl),
        };
        self.known_until = self.known_until.max(now.after(time));
    }

    /// Adds a publication; the offset is set here. Drops the oldest if there are too many.
    pub(crate) fn append(
        &mut self,
        mut publication: KeptPublication,
        retention: &Retention,
        now: Timestamp,
    ) -> Position {
        self.expire(now);
        self.top += 1;
        publication.offset = self.top;
        let bytes = bytes_of(&publication);
        self.kept_bytes += bytes;
        self.kept.push_back(publication);
        while self.kept.len() > retention.messages as usize || self.kept_bytes > retention.bytes {
            self.drop_oldest();
        }
        self.kept_until = now.after(retention.ttl);
        self.is_interrupted = false;
        self.touch(retention, now);
        self.position()
    }

    /// Sets the version of the publication that comes.
    pub(crate) fn set_version(&mut self, version: Version<Bytes>) {
        self.version = Some(Box::new(version));
    }

    /// Returns whether it has this version, or a newer one.
    pub(crate) fn outdates(&self, version: &Version<Bytes>) -> bool {
        let present = self.version.as_ref();
        present.is_some_and(|present| version.is_outdated_by(present))
    }

    /// Returns the newest publication, if it is kept and was not interrupted.
    pub(crate) fn previous(&mut self, now: Timestamp) -> Option<KeptPublication> {
        self.expire(now);
        self.kept.back().filter(|_| !self.is_interrupted).cloned()
    }

    /// Notes that a member has not got the newest publication as the last of the channel.
    pub(crate) const fn interrupt(&mut self) {
        self.is_interrupted = true;
    }

    /// Forgets what is not to be kept any more.
    pub(crate) fn expire(&mut self, now: Timestamp) {
        if self.kept_until <= now {
            self.clear();
        }
    }

    /// Forgets every publication, and keeps the position.
    pub(crate) fn clear(&mut self) {
        self.kept = VecDeque::new();
        self.kept_bytes = 0;
    }

    fn drop_oldest(&mut self) {
        if let Some(oldest) = self.kept.pop_front() {
            self.kept_bytes -= bytes_of(&oldest);
        }
    }

    /// Returns what a subscriber has missed, if it can be said what that is.
    pub(crate) fn recover(&mut self, recovery: &Recovery, now: Timestamp) -> Recovered {
        self.expire(now);
        let Since { epoch, offset } = recovery.since;
        let is_same_epoch = epoch.is_none_or(|epoch| epoch == self.epoch);
        let lost = Recovered {
            is_complete: false,
            publications: Vec::new(),
        };
        match recovery.scope {
            RecoveryScope::All => {
                let missed = self.top.checked_sub(offset);
                let Some(missed) = missed.filter(|_| is_same_epoch) else {
                    return lost;
                };
                if missed > self.kept.len() as u64 || missed > u64::from(recovery.limit) {
                    return lost;
                }
                let first = self.kept.len() - missed as usize;
                Recovered {
                    is_complete: true,
                    publications: self.kept.range(first..).cloned().collect(),
                }
            }
            RecoveryScope::Latest if is_same_epoch && offset == self.top && epoch.is_some() => {
                Recovered {
                    is_complete: true,
                    publications: Vec::new(),
                }
            }
            RecoveryScope::Latest => Recovered {
                is_complete: !self.kept.is_empty(),
                publications: self.kept.back().cloned().into_iter().collect(),
            },
        }
    }

    /// Answers a question about what was published.
    pub(crate) fn history(&mut self, query: &HistoryQuery, now: Timestamp) -> ChannelAnswer {
        self.expire(now);
        let position = self.position();
        let since = query.since.unwrap_or_default();
        if since.epoch.is_some_and(|epoch| epoch != self.epoch) {
            return ChannelAnswer::ForeignEpoch(position);
        }
        let limit = query.limit as usize;
        // The offset before the oldest that is kept.
        let base = self.top - self.kept.len() as u64;
        let place = |offset: u64| offset.saturating_sub(base).min(self.kept.len() as u64) as usize;
        let publications = if query.reverse {
            let end = match query.since {
                Some(since) => place(since.offset.saturating_sub(1)),
                None => self.kept.len(),
            };
            self.kept.range(..end).rev().take(limit).cloned().collect()
        } else {
            let first = query.since.map_or(0, |since| place(since.offset));
            self.kept.range(first..).take(limit).cloned().collect()
        };
        ChannelAnswer::History {
            position,
            publications,
        }
    }
}

/// Bytes that a publication is counted with.
fn bytes_of(publication: &KeptPublication) -> usize {
    publication.payload.len() + publication.annotation.len()
}

#[cfg(test)]
mod tests;
