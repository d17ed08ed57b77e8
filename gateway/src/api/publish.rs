//! Publications of the API, to one channel or to many.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::hash::BuildHasher;
use core::time::Duration;

use bytes::Bytes;
use data_encoding::BASE64;
use foldhash::fast::FixedState;
use stentor_core::channels::{Position, Publication, Retention};
use stentor_core::{DeliveryReport, Handler, MessageType, OverflowPolicy, SendOptions};

use super::answer::write_error;
use super::method::ApiMethod;
use super::params::PublishParams;
use super::query::resolve;
use super::running::{ApiRun, Begun, Broadcasting, Content, Publishing, Running, Wishes};
use crate::annotation;
use crate::client_protocol::json::writer::ObjectWriter;
use crate::client_protocol::{ErrorCode, InvalidPayload};
use crate::namespace_stats::NamespacePlace;
use crate::namespaces::{ChannelOptions, ResolvedChannel};
use crate::session::{retention_of, send_options_with};
use crate::settings::GatewaySettings;

/// How many publications of one broadcast may be on their way.
const WINDOW: usize = 64;

/// The longest idempotency key, in bytes.
const MAX_IDEMPOTENCY_KEY: usize = 255;

/// The longest time that a publication may be worth sending, in seconds.
const MAX_TTL: f64 = 86_400.0 * 365.0;

impl Publishing {
    const fn new(wants_report: bool, counted_at: NamespacePlace) -> Self {
        Self {
            wants_report,
            counted_at,
            accepted: None,
            report: None,
        }
    }

    fn is_over(&self) -> bool {
        self.accepted.is_some() && self.report.is_some() == self.wants_report
    }

    fn write(&self, object: &mut ObjectWriter<'_>) -> Result<(), InvalidPayload> {
        if let Some(Some(position)) = &self.accepted {
            object.number("offset", position.offset);
            object.text("epoch", position.epoch.as_str());
        }
        match &self.report {
            None => Ok(()),
            Some(report) => object.object("delivery", |object| {
                object.number_always("members", report.members);
                object.number_always("queued", report.queued);
                object.object("dropped", |object| {
                    object.number_always("refused", report.refused);
                    object.number_always("evicted", report.evicted);
                    object.number_always("conflated", report.conflated);
                    object.number_always("expired", report.expired);
                    Ok(())
                })
            }),
        }
    }
}

/// How a publication is treated in its channel.
struct Treatment {
    send: SendOptions,
    /// How long the channel keeps it.
    retention: Option<Retention>,
    /// Whether the channel's publications are patches of one another.
    is_delta: bool,
}

impl Wishes {
    fn of(params: &PublishParams<'_>) -> Result<Self, ErrorCode> {
        let bad = ErrorCode::BadRequest;
        let priority = params.priority.map(u8::try_from).transpose();
        if !(0.0..=MAX_TTL).contains(&params.ttl)
            || params.key.len() > ChannelOptions::MAX_CONFLATION_KEY
            || params.idempotency_key.len() > MAX_IDEMPOTENCY_KEY
        {
            return Err(bad);
        }
        let key = params.key.as_bytes();
        Ok(Self {
            skip_history: params.skip_history,
            delta: params.delta,
            idempotency_key: Bytes::copy_from_slice(params.idempotency_key.as_bytes()),
            version: params.version,
            version_epoch: Bytes::copy_from_slice(params.version_epoch.as_bytes()),
            priority: priority.map_err(|_| bad)?,
            ttl: (params.ttl > 0.0).then(|| Duration::from_secs_f64(params.ttl)),
            key: (!key.is_empty()).then(|| FixedState::default().hash_one(key)),
            delivery: params.delivery,
        })
    }

    /// Returns a publication with what is wished for it.
    fn add_to<'p>(
        &'p self,
        publication: Publication<'p>,
        treatment: &Treatment,
    ) -> Publication<'p> {
        let mut publication = publication.idempotency_key(&self.idempotency_key);
        if let Some(retention) = treatment.retention {
            publication = publication
                .retention(retention)
                .version(self.version, &self.version_epoch);
            if self.delta || treatment.is_delta {
                publication = publication.follows();
            }
        }
        publication
    }

    /// Returns how a publication is treated.
    fn apply(
        &self,
        settings: &GatewaySettings,
        resolved: ResolvedChannel<'_, '_>,
        tags: &[(&str, &str)],
        ticket: u64,
    ) -> Result<Treatment, ErrorCode> {
        let is_special = self.priority.is_some() || self.ttl.is_some() || self.key.is_some();
        if is_special && resolved.options().has_history() {
            // Offsets have to leave in order, and all of them.
            return Err(ErrorCode::BadRequest);
        }
        if self.version > 0 && (self.skip_history || !resolved.options().has_history()) {
            // There is nothing that would have the last one.
            return Err(ErrorCode::BadRequest);
        }
        let options = resolved.options();
        let priority = self.priority.unwrap_or(options.priority);
        let overflow = OverflowPolicy::Disconnect;
        let mut send = send_options_with(options, priority, overflow, tags);
        if let Some(ttl) = self.ttl {
            send = send.ttl(ttl);
        }
        if let Some(key) = self.key {
            send = send.key(key);
        }
        if self.delivery {
            send = send.receipt(ticket);
        }
        let retention = retention_of(resolved, settings.client.history_max_bytes);
        Ok(Treatment {
            send,
            retention: retention.filter(|_| !self.skip_history),
            is_delta: options.delta_publish,
        })
    }
}

/// Returns what is published: JSON text, or any bytes that are given in base64.
fn data_of<'p>(params: &'p PublishParams<'_>) -> Result<(Cow<'p, [u8]>, MessageType), ErrorCode> {
    if params.b64data.is_empty() {
        return Ok((Cow::Borrowed(params.data), MessageType::Text));
    }
    let data = BASE64.decode(params.b64data.as_bytes());
    let data = data.map_err(|_| ErrorCode::BadRequest)?;
    Ok((Cow::Owned(data), MessageType::Binary))
}

fn tags_of<'p>(params: &'p PublishParams<'_>) -> Vec<(&'p str, &'p str)> {
    let tags = params.tags.iter();
    tags.map(|(name, value)| (&**name, &**value)).collect()
}

impl<H: Handler> ApiRun<'_, '_, H> {
    /// Publishes to a channel.
    pub(super) fn publish(&mut self, params: &PublishParams<'_>) -> Begun {
        let wishes = Wishes::of(params)?;
        let resolved = resolve(self.settings, &params.channel)?;
        let (data, kind) = data_of(params)?;
        let options = resolved.options();
        if !options.publication_data_format.accepts(&data) {
            return Err(ErrorCode::BadRequest);
        }
        let tags = tags_of(params);
        let treatment = wishes.apply(self.settings, resolved, &tags, 0)?;
        self.shared.annotation.clear();
        annotation::write(&mut self.shared.annotation, None, &tags);
        let publication = Publication::new(kind, treatment.send, &data)
            .annotation(&self.shared.annotation)
            .acknowledge(0);
        let publication = wishes.add_to(publication, &treatment);
        let publication = match self.call.excluded.take() {
            Some(excluded) => publication.exclude(excluded),
            None => publication,
        };
        self.ctx
            .publish_with(resolved.name().as_bytes(), publication);
        let counted_at = self.shared.stats.namespaces.place_of(resolved);
        self.call.running = Running::Publish(Publishing::new(wishes.delivery, counted_at));
        Ok(())
    }

    pub(super) fn publication_accepted(&mut self, position: Option<Position>) {
        self.update_publication(|publishing| publishing.accepted = Some(position));
    }

    pub(super) fn publication_reported(&mut self, report: DeliveryReport) {
        self.update_publication(|publishing| publishing.report = Some(report));
    }

    fn update_publication(&mut self, update: impl FnOnce(&mut Publishing)) {
        let Running::Publish(publishing) = &mut self.call.running else {
            return;
        };
        update(publishing);
        if publishing.is_over() {
            let publishing = *publishing;
            self.shared
                .stats
                .namespaces
                .at(publishing.counted_at)
                .publications += 1;
            self.succeed(ApiMethod::Publish, |object| publishing.write(object));
        }
    }

    /// Publishes the same to several channels.
    pub(super) fn broadcast(&mut self, params: &PublishParams<'_>) -> Begun {
        let wishes = Wishes::of(params)?;
        let (data, kind) = data_of(params)?;
        if params.channels.is_empty() || data.is_empty() {
            return Err(ErrorCode::BadRequest);
        }
        let tags = tags_of(params);
        let mut annotation = Vec::new();
        annotation::write(&mut annotation, None, &tags);
        let channels = params.channels.iter();
        let broadcasting = Broadcasting {
            channels: channels.map(|name| (&*name.0).into()).collect(),
            items: Vec::with_capacity(params.channels.len()),
            unfinished: 0,
            content: Content {
                data: Bytes::copy_from_slice(&data),
                kind,
                excluded: self.call.excluded.take(),
                wishes,
                annotation: annotation.into(),
                tags: tags
                    .iter()
                    .map(|&(name, value)| (name.into(), value.into()))
                    .collect(),
            },
        };
        self.call.running = Running::Broadcast(Box::new(broadcasting));
        self.continue_broadcast();
        Ok(())
    }

    /// Publishes to further channels, or ends the broadcast.
    fn continue_broadcast(&mut self) {
        let Running::Broadcast(broadcasting) = &mut self.call.running else {
            return;
        };
        let Broadcasting {
            channels,
            items,
            unfinished,
            content,
        } = &mut **broadcasting;
        while *unfinished < WINDOW
            && let Some(channel) = channels.get(items.len())
        {
            let ticket = items.len() as u64;
            let prepared = resolve(self.settings, channel).and_then(|resolved| {
                let options = resolved.options();
                if !options.publication_data_format.accepts(&content.data) {
                    return Err(ErrorCode::BadRequest);
                }
                let tags = content.tags.iter();
                let tags: Vec<_> = tags.map(|(name, value)| (&**name, &**value)).collect();
                let treatment = content
                    .wishes
                    .apply(self.settings, resolved, &tags, ticket)?;
                Ok((treatment, self.shared.stats.namespaces.place_of(resolved)))
            });
            let (treatment, counted_at) = match prepared {
                Ok(prepared) => prepared,
                Err(code) => {
                    items.push(Err(code));
                    continue;
                }
            };
            let publication = Publication::new(content.kind, treatment.send, &content.data)
                .annotation(&content.annotation)
                .acknowledge(ticket);
            let publication = content.wishes.add_to(publication, &treatment);
            let publication = match content.excluded {
                Some(excluded) => publication.exclude(excluded),
                None => publication,
            };
            self.ctx.publish_with(channel.as_bytes(), publication);
            items.push(Ok(Publishing::new(content.wishes.delivery, counted_at)));
            *unfinished += 1;
        }
        if *unfinished > 0 {
            return;
        }
        let items = core::mem::take(items);
        for published in items.iter().flatten() {
            self.shared
                .stats
                .namespaces
                .at(published.counted_at)
                .publications += 1;
        }
        self.succeed(ApiMethod::Broadcast, |object| {
            object.list_always("responses", &items, |object, item| match item {
                Ok(publishing) => object.object("result", |object| publishing.write(object)),
                Err(code) => object.object("error", |object| write_error(object, *code)),
            })
        });
    }

    pub(super) fn broadcast_accepted(&mut self, ticket: u64, position: Option<Position>) {
        self.update_broadcast(ticket, |publishing| publishing.accepted = Some(position));
    }

    pub(super) fn broadcast_reported(&mut self, ticket: u64, report: DeliveryReport) {
        self.update_broadcast(ticket, |publishing| publishing.report = Some(report));
    }

    fn update_broadcast(&mut self, ticket: u64, update: impl FnOnce(&mut Publishing)) {
        let Running::Broadcast(broadcasting) = &mut self.call.running else {
            return;
        };
        let Some(Ok(publishing)) = broadcasting.items.get_mut(ticket as usize) else {
            return;
        };
        update(publishing);
        if publishing.is_over() {
            broadcasting.unfinished -= 1;
            self.continue_broadcast();
        }
    }
}
