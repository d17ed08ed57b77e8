//! The form of a connection, and codecs of single memberships: members that get the publications of a channel in another codec than
//! that of their connection. Few have one, and nobody else pays for it.

use alloc::collections::BTreeMap;

use crate::delivery::Outbound;
use crate::delivery::codec::{Codec, Form};

/// Codecs by number of the channel and slot.
#[derive(Debug, Default)]
pub(super) struct OwnCodecs(BTreeMap<(u32, u32), Codec>);

impl OwnCodecs {
    pub(super) fn memory(&self) -> usize {
        self.0.len() * 2 * size_of::<((u32, u32), Codec)>()
    }
}

impl Outbound {
    /// Returns how data frames for a connection are encoded.
    pub(crate) fn form(&self, at: u32) -> Form {
        self.conns[at].form
    }

    /// Lets a member get the publications of a channel in this codec.
    pub(crate) fn set_own_codec(&mut self, channel: u32, at: u32, codec: Codec) {
        // What is held back is in the codecs that members had.
        self.end_batch();
        self.own_codecs.0.insert((channel, at), codec);
    }

    /// Forgets the codec of a membership that ends.
    #[inline]
    pub(crate) fn forget_own_codec(&mut self, channel: u32, at: u32) {
        if self.has_own_codecs() {
            self.own_codecs.0.remove(&(channel, at));
        }
    }

    /// Returns whether any member of a channel has a codec of its own.
    #[inline]
    pub(crate) fn has_own_codecs(&self) -> bool {
        !self.own_codecs.0.is_empty()
    }

    /// Returns the channel if a member of it has a codec of its own.
    pub(crate) fn with_own_codecs(&self, channel: u32) -> Option<u32> {
        let members = (channel, 0)..=(channel, u32::MAX);
        self.own_codecs.0.range(members).next().map(|_| channel)
    }

    /// Returns the form in which a member gets the publications of a channel.
    pub(super) fn own_form(&self, channel: u32, at: u32, form: Form) -> Form {
        let codec = self.own_codecs.0.get(&(channel, at));
        codec.map_or(form, |&codec| Form::new(codec, form.wire()))
    }
}
