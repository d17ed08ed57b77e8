//! Publications of clients, and how the publications of a channel are treated at full queues.

use core::hash::BuildHasher;

use foldhash::fast::FixedState;
use stentor_core::channels::Publication;
use stentor_core::{Handler, OverflowPolicy, SendOptions};

use super::subscribe::rejection;
use super::{CommandOutcome, SessionCall, error};
use crate::annotation;
use crate::client_protocol::{ClientInfo, CommandResult, ErrorCode, PublishRequest};
use crate::namespace_stats::NamespacePlace;
use crate::namespaces::{ChannelAction, ChannelOptions};
use crate::publication_encoding::payload_type;

/// Returns how a publication with these tags is treated. `overflow` is what happens at a full queue if
/// the namespace does not say.
pub(crate) fn send_options(
    options: &ChannelOptions,
    overflow: OverflowPolicy,
    tags: &[(&str, &str)],
) -> SendOptions {
    send_options_with(options, options.priority, overflow, tags)
}

/// Returns how a publication of this priority is treated.
pub(crate) fn send_options_with(
    options: &ChannelOptions,
    priority: u8,
    overflow: OverflowPolicy,
    tags: &[(&str, &str)],
) -> SendOptions {
    let mut send = SendOptions::new(priority).overflow(options.overflow.unwrap_or(overflow));
    if let Some(ttl) = options.ttl {
        send = send.ttl(ttl);
    }
    if let Some(key) = options.conflation_key(tags) {
        send = send.key(FixedState::default().hash_one(key));
    }
    if options.exclude_publisher {
        send = send.exclude_sender();
    }
    send
}

/// Returns the number under which a publication of a command is accepted.
const fn ticket(id: u32, place: NamespacePlace) -> u64 {
    (place.number() as u64) << 32 | id as u64
}

/// Returns the id of the command, and where the publication is counted.
const fn of_ticket(ticket: u64) -> (u32, NamespacePlace) {
    (ticket as u32, NamespacePlace::new((ticket >> 32) as u8))
}

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Publishes to a channel.
    pub(super) fn publish(&mut self, id: u32, request: &PublishRequest<'_>) -> CommandOutcome {
        let resolved = self.settings.namespaces.resolve(&request.channel);
        let resolved = resolved.map_err(rejection)?;
        let options = resolved.options();
        if !options.publication_data_format.accepts(request.data) {
            return Err(error(ErrorCode::BadRequest));
        }
        let subscription = self.session.subscriptions.get(resolved.name());
        let client = self.channel_client(subscription.is_some());
        resolved
            .check(ChannelAction::Publish, client)
            .map_err(error)?;
        // Changes of maps, which there are not.
        if request.publication_type != 0 {
            return Err(error(ErrorCode::NotAvailable));
        }

        let mut digits = itoa::Buffer::new();
        let info = ClientInfo {
            user: &self.session.user,
            client: digits.format(self.session.client),
            conn_info: &self.session.conn_info,
            chan_info: subscription.map_or(&[], |subscription| &subscription.chan_info),
        };
        self.shared.annotation.clear();
        annotation::write(&mut self.shared.annotation, Some(&info), &[]);
        // A client that cannot take what is published is to come back and recover.
        let send = send_options(options, OverflowPolicy::Disconnect, &[]);
        let mut publication =
            Publication::new(payload_type(self.session.link.codec), send, request.data)
                .annotation(&self.shared.annotation)
                .acknowledge(ticket(id, self.shared.stats.namespaces.place_of(resolved)));
        if let Some(retention) = self.retention(resolved) {
            publication = publication.retention(retention);
            if options.delta_publish {
                publication = publication.follows();
            }
        }
        self.ctx
            .publish_with(resolved.name().as_bytes(), publication);
        Ok(())
    }

    /// Replies to a publication, which has its place in the order of the channel.
    pub(crate) fn handle_accepted(&mut self, ticket: u64) {
        let (id, place) = of_ticket(ticket);
        self.shared.stats.namespaces.at(place).publications += 1;
        self.succeed(id, CommandResult::Publish);
        self.flush();
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::*;
    use crate::namespaces::Conflation;

    #[test]
    fn a_namespace_says_how_its_publications_are_treated() {
        let plain = ChannelOptions::default();
        let expected = SendOptions::new(plain.priority).overflow(OverflowPolicy::Disconnect);
        assert_eq!(
            send_options(&plain, OverflowPolicy::Disconnect, &[]),
            expected
        );

        let options = ChannelOptions {
            priority: 3,
            ttl: Some(Duration::from_secs(2)),
            overflow: Some(OverflowPolicy::DropNew),
            conflate: Conflation::Tag("share".into()),
            exclude_publisher: true,
            ..plain
        };
        let expected = SendOptions::new(3)
            .overflow(OverflowPolicy::DropNew)
            .ttl(Duration::from_secs(2))
            .exclude_sender();
        let send = |tags| send_options(&options, OverflowPolicy::Disconnect, tags);
        assert_eq!(send(&[]), expected);
        let key = FixedState::default().hash_one(&b"17"[..]);
        assert_eq!(send(&[("share", "17")]), expected.key(key));
    }
}
