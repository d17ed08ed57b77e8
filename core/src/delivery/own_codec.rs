//! The form of a connection, and what single memberships have of their own: members that get the
//! publications of a channel in another codec than that of their connection, or only those that a
//! filter lets through. Few have that, and nobody else pays for it.

use alloc::collections::BTreeMap;

use bytes::Bytes;

use crate::delivery::Outbound;
use crate::delivery::codec::{Codec, Form};

/// By number of the channel and slot.
#[derive(Debug, Default)]
pub(super) struct OwnCodecs {
    members: BTreeMap<(u32, u32), OwnForm>,
    /// Bytes of the filters.
    filters: usize,
}

/// What a membership has of its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnForm {
    /// In place of the codec of the connection.
    pub(crate) codec: Option<Codec>,
    /// A filter of the application.
    pub(crate) filter: Option<Bytes>,
}

impl OwnForm {
    /// Returns whether the membership is like any other.
    pub(crate) const fn is_empty(&self) -> bool {
        self.codec.is_none() && self.filter.is_none()
    }

    fn filter_len(&self) -> usize {
        self.filter.as_ref().map_or(0, Bytes::len)
    }
}

impl OwnCodecs {
    pub(super) fn memory(&self) -> usize {
        self.members.len() * 2 * size_of::<((u32, u32), OwnForm)>() + self.filters
    }

    fn remove(&mut self, channel: u32, at: u32) {
        if let Some(own) = self.members.remove(&(channel, at)) {
            self.filters -= own.filter_len();
        }
    }
}

impl Outbound {
    /// Returns how data frames for a connection are encoded.
    pub(crate) fn form(&self, at: u32) -> Form {
        self.conns[at].form
    }

    /// Lets a member get the publications of a channel in a form of its own.
    pub(crate) fn set_own_form(&mut self, channel: u32, at: u32, own: OwnForm) {
        // What is held back is in the form that members had.
        self.end_batch();
        self.own_codecs.remove(channel, at);
        self.own_codecs.filters += own.filter_len();
        self.own_codecs.members.insert((channel, at), own);
    }

    /// Forgets what a membership that ends has of its own.
    #[inline]
    pub(crate) fn forget_own_codec(&mut self, channel: u32, at: u32) {
        if self.has_own_codecs() {
            self.own_codecs.remove(channel, at);
        }
    }

    /// Returns whether any member of a channel has a form of its own.
    #[inline]
    pub(crate) fn has_own_codecs(&self) -> bool {
        !self.own_codecs.members.is_empty()
    }

    /// Returns the channel if a member of it has a form of its own.
    pub(crate) fn with_own_codecs(&self, channel: u32) -> Option<u32> {
        let members = (channel, 0)..=(channel, u32::MAX);
        let mut members = self.own_codecs.members.range(members);
        members.next().map(|_| channel)
    }

    /// Returns the form in which a member gets the publications of a channel.
    pub(super) fn own_form(&self, channel: u32, at: u32, form: Form) -> Form {
        let own = self.own_codecs.members.get(&(channel, at));
        let codec = own.and_then(|own| own.codec);
        codec.map_or(form, |codec| Form::new(codec, form.wire()))
    }

    /// Returns the filter of a member of a channel, if it has one.
    pub(super) fn own_filter(&self, channel: u32, at: u32) -> Option<&Bytes> {
        let own = self.own_codecs.members.get(&(channel, at));
        own.and_then(|own| own.filter.as_ref())
    }
}
