//! Counters of the namespaces of a shard.

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;

use crate::namespaces::{Namespaces, ResolvedChannel};

/// The most namespaces with counters of their own. Those that come later share some.
const MAX_NAMED: usize = 64;
/// What the channels without a namespace are counted as: no namespace has a name of one character.
const WITHOUT: &str = "_";
/// What those are counted as that share counters.
const OTHER: &str = "other";

/// What has happened in the channels of a namespace since the start, and what there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NamespaceCounts {
    /// Subscriptions that there are.
    pub subscriptions: u64,
    /// Subscriptions that were made, by clients and for them.
    pub subscribes: u64,
    /// Publications that were accepted.
    pub publications: u64,
    /// Subscriptions that recovered everything they asked for.
    pub recovered: u64,
    /// Subscriptions that asked for a recovery and did not get everything.
    pub not_recovered: u64,
}

impl NamespaceCounts {
    fn add(&mut self, other: &Self) {
        self.subscriptions += other.subscriptions;
        self.subscribes += other.subscribes;
        self.publications += other.publications;
        self.recovered += other.recovered;
        self.not_recovered += other.not_recovered;
    }
}

/// The place of the counters of a namespace, which it keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct NamespacePlace(u8);

impl NamespacePlace {
    /// Returns the place with this number.
    pub(crate) const fn new(number: u8) -> Self {
        Self(number)
    }

    /// Returns its number.
    pub(crate) const fn number(self) -> u8 {
        self.0
    }
}

/// The counters of all namespaces.
#[derive(Clone, Debug)]
pub(crate) struct NamespaceStats {
    /// Those of channels without a namespace come first, then those of the named ones, then those that
    /// are shared.
    counts: Vec<(Box<str>, NamespaceCounts)>,
    /// The place of each namespace, by its number in the settings.
    places: Vec<NamespacePlace>,
}

impl Default for NamespaceStats {
    fn default() -> Self {
        Self {
            counts: Vec::from([(WITHOUT.into(), NamespaceCounts::default())]),
            places: Vec::new(),
        }
    }
}

impl NamespaceStats {
    /// Takes the namespaces of newer settings. Counters of those that are gone stay.
    pub(crate) fn update(&mut self, namespaces: &Namespaces) {
        let names = namespaces.names();
        let named: Vec<_> = names.map(|name| self.find_or_add(name)).collect();
        self.places.clear();
        self.places.push(NamespacePlace(0));
        self.places.extend(named);
    }

    fn find_or_add(&mut self, name: &str) -> NamespacePlace {
        let known = self.counts.iter().position(|(known, _)| **known == *name);
        let place = known.unwrap_or_else(|| {
            let place = self.counts.len().min(MAX_NAMED + 1);
            if place == self.counts.len() {
                let name = if place > MAX_NAMED { OTHER } else { name };
                self.counts.push((name.into(), NamespaceCounts::default()));
            }
            place
        });
        NamespacePlace(place as u8)
    }

    /// Returns the place of the counters of a channel's namespace.
    pub(crate) fn place_of(&self, channel: ResolvedChannel<'_, '_>) -> NamespacePlace {
        let place = self.places.get(channel.namespace_number());
        place.copied().unwrap_or_default()
    }

    /// Returns the counters at a place.
    pub(crate) fn at(&mut self, place: NamespacePlace) -> &mut NamespaceCounts {
        let place = usize::from(place.0).min(self.counts.len() - 1);
        &mut self.counts[place].1
    }

    /// Returns the sum over all namespaces.
    pub(crate) fn totals(&self) -> NamespaceCounts {
        let mut totals = NamespaceCounts::default();
        for (_, counts) in &self.counts {
            totals.add(counts);
        }
        totals
    }

    /// Returns the names and counters of all namespaces.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (String, &NamespaceCounts)> {
        let counts = self.counts.iter();
        counts.map(|(name, counts)| (name.to_string(), counts))
    }

    /// Adds the counters of another shard, which has the same settings.
    pub(crate) fn add(&mut self, other: &Self) {
        for (name, counts) in &other.counts {
            let known = self.counts.iter().position(|(known, _)| known == name);
            let place = known.unwrap_or_else(|| {
                self.counts.push((name.clone(), NamespaceCounts::default()));
                self.counts.len() - 1
            });
            self.counts[place].1.add(counts);
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::namespaces::{ChannelOptions, ChannelSettings};

    fn namespaces(names: impl IntoIterator<Item = String>) -> Namespaces {
        let names = names.into_iter();
        let settings = ChannelSettings {
            namespaces: names
                .map(|name| (name, ChannelOptions::default()))
                .collect(),
            ..ChannelSettings::default()
        };
        settings.build().expect("valid settings")
    }

    fn publish(stats: &mut NamespaceStats, namespaces: &Namespaces, channel: &str) {
        let resolved = namespaces.resolve(channel).expect("a channel");
        let place = stats.place_of(resolved);
        stats.at(place).publications += 1;
    }

    fn published(stats: &NamespaceStats) -> Vec<(String, u64)> {
        let all = stats.iter().filter(|(_, counts)| counts.publications > 0);
        all.map(|(name, counts)| (name, counts.publications))
            .collect()
    }

    #[test]
    fn a_namespace_keeps_its_counters_when_others_come_and_go() {
        let mut stats = NamespaceStats::default();
        let before = namespaces(["chat".into(), "news".into()]);
        stats.update(&before);
        for channel in ["chat:a", "news:a", "news:b", "a"] {
            publish(&mut stats, &before, channel);
        }
        let after = namespaces(["all".into(), "news".into()]);
        stats.update(&after);
        for channel in ["all:a", "news:a"] {
            publish(&mut stats, &after, channel);
        }
        let expected = [("_", 1), ("chat", 1), ("news", 3), ("all", 1)];
        assert_eq!(
            published(&stats),
            expected.map(|(name, n)| (name.into(), n))
        );
        let mut sum = NamespaceStats::default();
        sum.add(&stats);
        sum.add(&stats);
        assert_eq!(sum.totals().publications, 12);
    }

    #[test]
    fn the_first_64_have_counters_of_their_own() {
        let names = |count: u32| (0..count).map(|n| format!("n{n:03}"));
        let mut stats = NamespaceStats::default();
        let many = namespaces(names(70));
        stats.update(&many);
        for name in names(70) {
            publish(&mut stats, &many, &format!("{name}:a"));
        }
        let published = published(&stats);
        assert_eq!(published.len(), 65);
        assert_eq!(published[63], ("n063".into(), 1));
        assert_eq!(published[64], (OTHER.into(), 6));
    }
}
