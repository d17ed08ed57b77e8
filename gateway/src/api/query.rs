//! Questions of the API about channels: who is subscribed, and what was published.

use alloc::vec::Vec;

use stentor_core::Handler;
use stentor_core::channels::{ChannelAnswer, ChannelQuery, HistoryQuery};

use super::call::{ApiRun, Begun, Running};
use super::method::ApiMethod;
use crate::annotation;
use crate::client_protocol::json::writer::ObjectWriter;
use crate::client_protocol::{
    ChannelRequest, ClientCodec, ClientInfo, ErrorCode, HistoryRequest, InvalidPayload, Publication,
};
use crate::namespaces::ResolvedChannel;
use crate::publication_encoding::DecodedPublication;
use crate::session::{retention_of, since};
use crate::settings::GatewaySettings;

/// Returns a channel. Permissions are those of clients, and mean nothing here.
pub(super) fn resolve<'n, 'c>(
    settings: &'n GatewaySettings,
    channel: &'c str,
) -> Result<ResolvedChannel<'n, 'c>, ErrorCode> {
    let resolved = settings.namespaces.resolve(channel);
    resolved.map_err(|error| error.error_code().unwrap_or(ErrorCode::BadRequest))
}

impl<H: Handler> ApiRun<'_, '_, H> {
    /// Asks who is subscribed to a channel, or how many are.
    pub(super) fn presence(&mut self, method: ApiMethod, params: &ChannelRequest<'_>) -> Begun {
        let resolved = resolve(self.settings, &params.channel)?;
        if !resolved.options().presence {
            return Err(ErrorCode::NotAvailable);
        }
        let query = match method {
            ApiMethod::PresenceStats => ChannelQuery::Occupancy,
            _ => ChannelQuery::Members,
        };
        self.query(method, resolved, query);
        Ok(())
    }

    /// Asks what was published to a channel.
    pub(super) fn history(&mut self, params: &HistoryRequest<'_>) -> Begun {
        let resolved = resolve(self.settings, &params.channel)?;
        let bytes = self.settings.client.history_max_bytes;
        let retention = retention_of(resolved, bytes).ok_or(ErrorCode::NotAvailable)?;
        let is_before_all = params.since.as_ref().is_some_and(|since| since.offset == 0);
        if params.reverse && is_before_all {
            return Err(ErrorCode::BadRequest);
        }
        let query = ChannelQuery::History(HistoryQuery {
            retention,
            since: params
                .since
                .as_ref()
                .map(|position| since(&position.epoch, position.offset)),
            // A negative one is no limit.
            limit: u32::try_from(params.limit).unwrap_or(u32::MAX),
            reverse: params.reverse,
        });
        self.query(ApiMethod::History, resolved, query);
        Ok(())
    }

    /// Forgets what was published to a channel.
    pub(super) fn remove_history(&mut self, params: &ChannelRequest<'_>) -> Begun {
        let resolved = resolve(self.settings, &params.channel)?;
        if !resolved.options().has_history() {
            return Err(ErrorCode::NotAvailable);
        }
        self.query(
            ApiMethod::HistoryRemove,
            resolved,
            ChannelQuery::ClearHistory,
        );
        Ok(())
    }

    fn query(&mut self, method: ApiMethod, resolved: ResolvedChannel<'_, '_>, query: ChannelQuery) {
        self.call.running = Running::Query(method);
        self.ctx.query(resolved.name().as_bytes(), 0, query);
    }

    /// Takes the answer of a channel to a question of this method.
    pub(super) fn channel_answered(&mut self, method: ApiMethod, answer: ChannelAnswer) {
        match answer {
            ChannelAnswer::Members(members) => {
                let infos = members.iter();
                let infos = infos.filter_map(|(_, member)| annotation::read(&member.info)?.info);
                self.succeed(method, |object| {
                    object.object("presence", |object| {
                        for info in infos {
                            object.entry(info.client, |object| write_client(object, &info))?;
                        }
                        Ok(())
                    })
                });
            }
            ChannelAnswer::Occupancy { clients, users } => self.succeed(method, |object| {
                object.number_always("num_clients", clients);
                object.number_always("num_users", users);
                Ok(())
            }),
            ChannelAnswer::History {
                position,
                publications,
            } => {
                let decoded = publications.iter();
                let decoded: Vec<_> = decoded
                    .map(|kept| DecodedPublication::new(ClientCodec::Json, kept))
                    .collect();
                self.succeed(method, |object| {
                    object.list_always("publications", &decoded, |object, decoded| {
                        write_publication(object, &decoded.as_publication())
                    })?;
                    object.text_always("epoch", position.epoch.as_str());
                    object.number_always("offset", position.offset);
                    Ok(())
                });
            }
            ChannelAnswer::HistoryCleared => self.succeed(method, |_| Ok(())),
            ChannelAnswer::ForeignEpoch(_) => self.fail(ErrorCode::UnrecoverablePosition),
            _ => self.fail(ErrorCode::Internal),
        }
    }
}

fn write_publication(
    object: &mut ObjectWriter<'_>,
    publication: &Publication<'_>,
) -> Result<(), InvalidPayload> {
    object.payload_or_base64("data", "b64data", publication.data);
    if let Some(info) = &publication.info {
        object.object("info", |object| write_client(object, info))?;
    }
    object.number("offset", publication.offset);
    if !publication.tags.is_empty() {
        object.object("tags", |object| {
            for (name, value) in publication.tags {
                object.text_entry(name, value);
            }
            Ok(())
        })?;
    }
    Ok(())
}

fn write_client(
    object: &mut ObjectWriter<'_>,
    info: &ClientInfo<'_>,
) -> Result<(), InvalidPayload> {
    object.text_always("user", info.user);
    object.text_always("client", info.client);
    object.payload_or_base64("conn_info", "b64conn_info", info.conn_info);
    object.payload_or_base64("chan_info", "b64chan_info", info.chan_info);
    Ok(())
}
