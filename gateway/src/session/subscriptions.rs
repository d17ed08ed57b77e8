//! The subscriptions of a client: which there are, and which still wait for their channel's answer.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::num::NonZeroU64;

use bytes::Bytes;

use crate::namespace_stats::{NamespacePlace, NamespaceStats};

/// The subscriptions of a client, sorted by channel: most clients have few. A channel that the client
/// has left before the answer came may be there twice, the older subscription first.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(Vec<ClientSubscription>);

/// A subscription of a client.
#[derive(Debug, Default)]
pub(super) struct ClientSubscription {
    pub(super) channel: Box<str>,
    /// What the subscription token says about the user.
    pub(super) chan_info: Box<[u8]>,
    /// When it expires, in seconds of Unix time.
    pub(super) expires_at: Option<NonZeroU64>,
    /// What the reply needs, until the channel has answered.
    pub(super) pending: Option<Box<PendingReply>>,
    /// Where it is counted once it is answered.
    pub(super) counted_at: NamespacePlace,
    /// Whether the server has made it.
    pub(super) is_server_side: bool,
    /// Whether the client has left before the channel answered.
    pub(super) is_leaving: bool,
}

/// What the reply to a subscription needs beside the channel's answer.
#[derive(Debug, Default)]
pub(super) struct PendingReply {
    /// The number of the command, 0 for a server-side subscription.
    pub(super) command: u32,
    pub(super) is_recoverable: bool,
    pub(super) is_positioned: bool,
    /// Whether a recovery was asked for.
    pub(super) was_recovering: bool,
    /// Whether it gets patches from one publication to the next.
    pub(super) gets_delta: bool,
    /// The offset since which it was, if the channel was asked.
    pub(super) since: Option<u64>,
    /// The application's payload for the client.
    pub(super) data: Box<[u8]>,
    /// Filter over the tags of publications, empty if there is none.
    pub(super) filter: Bytes,
}

impl Subscriptions {
    /// Returns the subscription to a channel that the client has not left.
    pub(super) fn get(&self, channel: &str) -> Option<&ClientSubscription> {
        self.0.get(self.place(channel)?)
    }

    /// Returns the subscription to a channel that the client has not left.
    pub(super) fn get_mut(&mut self, channel: &str) -> Option<&mut ClientSubscription> {
        let place = self.place(channel)?;
        self.0.get_mut(place)
    }

    /// Returns how many there are.
    pub(super) const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the channels that the client has not left.
    pub(super) fn channels(&self) -> impl Iterator<Item = &str> {
        let there = self.0.iter().filter(|one| !one.is_leaving);
        there.map(|one| &*one.channel)
    }

    /// Adds a subscription to a channel that has none, or only some that the client has left.
    pub(super) fn insert(&mut self, subscription: ClientSubscription) {
        let end = self.end(&subscription.channel);
        // Most clients have one, and never a second.
        if self.0.len() == self.0.capacity() {
            self.0.reserve_exact(1.max(self.0.len() / 2));
        }
        self.0.insert(end, subscription);
    }

    /// Ends the subscription to a channel; if it waits for its answer, that is still to come. Returns
    /// whether there was one.
    pub(super) fn leave(&mut self, channel: &str, stats: &mut NamespaceStats) -> bool {
        let Some(place) = self.place(channel) else {
            return false;
        };
        if self.0[place].pending.is_some() {
            self.0[place].is_leaving = true;
        } else {
            self.remove(place, stats);
        }
        true
    }

    /// Takes what the reply to the oldest subscription to a channel needs that waits for its answer.
    /// `is_member` says whether the client is subscribed now, `is_recovered` whether nothing is missing.
    pub(super) fn answer(
        &mut self,
        channel: &str,
        is_member: bool,
        is_recovered: bool,
        stats: &mut NamespaceStats,
    ) -> Option<(Box<PendingReply>, Option<NonZeroU64>)> {
        let begin = self.begin(channel);
        let same = self.0[begin..self.end(channel)].iter();
        let place = begin + same.clone().position(|other| other.pending.is_some())?;
        let subscription = &mut self.0[place];
        let pending = subscription.pending.take()?;
        let expires_at = subscription.expires_at;
        let counts = stats.at(subscription.counted_at);
        if pending.was_recovering {
            let recovered = pending.since.is_some() && is_recovered;
            counts.recovered += u64::from(recovered);
            counts.not_recovered += u64::from(!recovered);
        }
        counts.subscribes += u64::from(is_member);
        if !is_member || subscription.is_leaving {
            self.0.remove(place);
        } else {
            counts.subscriptions += 1;
        }
        Some((pending, expires_at))
    }

    /// Takes the subscription to a channel out that its channel has ended.
    pub(super) fn lose(
        &mut self,
        channel: &str,
        stats: &mut NamespaceStats,
    ) -> Option<ClientSubscription> {
        let place = self.place(channel)?;
        let is_answered = self.0[place].pending.is_none();
        is_answered.then(|| self.remove(place, stats))
    }

    /// Returns when the first one expires, of those that are answered, in seconds of Unix time.
    pub(super) fn next_expiry(&self) -> Option<u64> {
        let answered = self.0.iter().filter(|one| one.pending.is_none());
        let expiries = answered.filter_map(|one| one.expires_at);
        expiries.min().map(NonZeroU64::get)
    }

    /// Takes out a subscription that has expired by this time.
    pub(super) fn take_expired(
        &mut self,
        by: u64,
        stats: &mut NamespaceStats,
    ) -> Option<ClientSubscription> {
        let is_over = |one: &ClientSubscription| {
            one.pending.is_none() && one.expires_at.is_some_and(|at| at.get() <= by)
        };
        let place = self.0.iter().position(is_over)?;
        Some(self.remove(place, stats))
    }

    /// Ends all of them with the client.
    pub(super) fn clear(&mut self, stats: &mut NamespaceStats) {
        for one in self.0.drain(..).filter(|one| one.pending.is_none()) {
            stats.at(one.counted_at).subscriptions -= 1;
        }
    }

    /// Takes out one that is answered.
    fn remove(&mut self, place: usize, stats: &mut NamespaceStats) -> ClientSubscription {
        let removed = self.0.remove(place);
        stats.at(removed.counted_at).subscriptions -= 1;
        removed
    }

    fn begin(&self, channel: &str) -> usize {
        self.0.partition_point(|one| *one.channel < *channel)
    }

    fn end(&self, channel: &str) -> usize {
        self.0.partition_point(|one| *one.channel <= *channel)
    }

    /// Returns where the subscription is: of several, all but the last one are left.
    fn place(&self, channel: &str) -> Option<usize> {
        let place = self.end(channel).checked_sub(1)?;
        let last = &self.0[place];
        (*last.channel == *channel && !last.is_leaving).then_some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(channel: &str, command: u32) -> ClientSubscription {
        ClientSubscription {
            channel: channel.into(),
            pending: Some(Box::new(PendingReply {
                command,
                ..PendingReply::default()
            })),
            ..ClientSubscription::default()
        }
    }

    /// Counters of which some have been counted elsewhere.
    fn stats() -> NamespaceStats {
        let mut stats = NamespaceStats::default();
        stats.at(NamespacePlace::default()).subscriptions = 9;
        stats
    }

    fn answered(table: &mut Subscriptions, channel: &str) -> Option<u32> {
        let (pending, _) = table.answer(channel, true, false, &mut stats())?;
        Some(pending.command)
    }

    #[test]
    fn a_subscription_is_there_from_the_command_on() {
        let mut table = Subscriptions::default();
        for (command, channel) in [(1, "b"), (2, "a"), (3, "c")] {
            assert!(table.get(channel).is_none());
            table.insert(pending(channel, command));
            assert!(table.get(channel).is_some());
        }
        assert_eq!(answered(&mut table, "a"), Some(2));
        assert_eq!(answered(&mut table, "a"), None);
        assert!(table.get("a").is_some());
        assert!(table.leave("a", &mut stats()));
        assert!(!table.leave("a", &mut stats()));
        assert_eq!(table.len(), 2);
    }

    #[test]
    fn what_is_left_before_its_answer_is_answered_first() {
        let mut table = Subscriptions::default();
        table.insert(pending("a", 1));
        assert!(table.leave("a", &mut stats()));
        assert!(!table.leave("a", &mut stats()));
        table.insert(pending("a", 2));
        assert_eq!(answered(&mut table, "a"), Some(1));
        assert!(table.get("a").is_some());
        assert_eq!(table.len(), 1);
        assert_eq!(answered(&mut table, "a"), Some(2));
        assert_eq!(answered(&mut table, "a"), None);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn what_is_refused_is_gone() {
        let mut table = Subscriptions::default();
        table.insert(pending("a", 1));
        assert!(table.answer("a", false, false, &mut stats()).is_some());
        assert!(table.get("a").is_none());
    }

    #[test]
    fn only_an_answered_subscription_can_be_lost() {
        let mut table = Subscriptions::default();
        table.insert(pending("a", 1));
        assert!(table.lose("a", &mut stats()).is_none());
        assert_eq!(answered(&mut table, "a"), Some(1));
        assert!(table.lose("a", &mut stats()).is_some());
        assert!(table.lose("a", &mut stats()).is_none());
    }

    #[test]
    fn subscriptions_expire_in_the_order_of_their_times() {
        let mut table = Subscriptions::default();
        for (channel, expiry) in [("a", 30), ("b", 0), ("c", 20)] {
            table.insert(ClientSubscription {
                channel: channel.into(),
                expires_at: NonZeroU64::new(expiry),
                ..ClientSubscription::default()
            });
        }
        assert_eq!(table.next_expiry(), Some(20));
        assert!(table.take_expired(19, &mut stats()).is_none());
        let expired = table
            .take_expired(29, &mut stats())
            .expect("one that has expired");
        assert_eq!(&*expired.channel, "c");
        assert!(table.take_expired(29, &mut stats()).is_none());
        assert_eq!(table.next_expiry(), Some(30));
    }

    #[test]
    fn the_first_subscription_has_no_spare_room() {
        let mut table = Subscriptions::default();
        table.insert(pending("a", 1));
        assert_eq!(table.0.capacity(), 1);
    }

    #[test]
    fn those_that_are_answered_are_counted_until_they_end() {
        let (mut table, mut stats) = (Subscriptions::default(), NamespaceStats::default());
        for channel in ["a", "b", "c", "d", "e", "f"] {
            table.insert(pending(channel, 1));
        }
        assert!(table.leave("f", &mut stats));
        for channel in ["a", "b", "c", "f"] {
            table.answer(channel, true, false, &mut stats);
        }
        table.answer("d", false, false, &mut stats);
        let counts = stats.totals();
        assert_eq!((counts.subscriptions, counts.subscribes), (3, 4));
        table.leave("a", &mut stats);
        table.lose("b", &mut stats);
        assert_eq!(stats.totals().subscriptions, 1);
        table.clear(&mut stats);
        assert_eq!(stats.totals().subscriptions, 0);
        assert_eq!(stats.totals().subscribes, 4);
    }
}
