//! Delivery of publications to the members on this shard: at once, or over several turns for more
//! members than one slice.

use crate::channels::delivery_report::counted;
use crate::channels::fan_outs::EVERYONE;
use crate::channels::message::{Requester, ShardPublication};
use crate::delivery::EncodedVariants;
use crate::engine::Engine;
use crate::session::app_types::AppTypes;
use crate::sync::SharedRef;

impl<A: AppTypes> Engine<A> {
    /// Returns whether publications to this channel have to wait in its line.
    #[inline]
    pub(crate) fn is_sliced(&self, channel: u32) -> bool {
        let members = match channel {
            EVERYONE => self.slots.len() as usize,
            channel => self.registry.members(channel).len(),
        };
        self.fan_outs.must_wait(channel, members)
    }

    /// Queues a publication for everyone on this shard whom it concerns, in this turn or in
    /// several.
    pub(crate) fn fan_out(&mut self, publication: SharedRef<ShardPublication>) {
        let channel = match &publication.channel {
            Some(name) => self.registry.find_list(name, publication.list_of()),
            None => Some(EVERYONE),
        };
        let except = self.left_out(&publication);
        if let Some(channel) = channel.filter(|&channel| self.is_sliced(channel)) {
            self.fan_outs
                .push(&mut self.registry, channel, publication, except);
            return;
        }
        let counters = publication.counters.as_ref();
        let before = counters.map(|_| counted(&mut self.out));
        if let Some(channel) = channel {
            let variants = publication.variants(&self.registry, &self.out);
            self.send_to_channel(channel, variants, except);
        }
        if let (Some(counters), Some(before)) = (&publication.counters, before) {
            counters.add(counted(&mut self.out).since(before));
        }
        self.finish_publication(publication);
    }

    /// Queues a publication for the members of a channel that are here.
    pub(crate) fn send_to_channel(
        &mut self,
        channel: u32,
        variants: EncodedVariants<'_>,
        except: Option<u32>,
    ) {
        match channel {
            EVERYONE => self.out.send_to_all(variants, except),
            channel => self
                .out
                .send_to_members(self.registry.list(channel, except), variants),
        }
    }

    /// Visits the next members of a channel with unfinished publications.
    #[cold]
    pub(crate) fn fan_out_slice(&mut self) {
        self.counts.channels.slices += 1;
        let finished = self
            .fan_outs
            .deliver_slice(&mut self.registry, &mut self.out);
        for publication in finished {
            self.finish_publication(publication);
        }
        self.keep_within_budget();
    }

    /// Gives a connection that leaves a channel, or ends, what was published before and has not
    /// come to it.
    #[inline]
    pub(crate) fn deliver_rest(&mut self, channel: u32, at: u32, place: u32) {
        self.fan_outs
            .deliver_rest(&self.registry, &mut self.out, channel, at, place);
    }

    /// Returns the slot of the connection that a publication leaves out, if it is here: one that is
    /// named, or the sender.
    fn left_out(&self, publication: &ShardPublication) -> Option<u32> {
        let excluded = publication
            .extras
            .as_ref()
            .and_then(|extras| extras.excluded);
        if let Some(excluded) = excluded {
            return self.slots.find(excluded);
        }
        match publication.origin {
            Requester::Conn(from) if publication.options.exclude_sender => self.slots.find(from),
            Requester::Conn(_) | Requester::Outside(_) | Requester::Owner => None,
        }
    }
}
