//! The handler of the product: clients of the channel protocol and of the seed protocol, on the same
//! channels.

mod shard_requests;

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::SocketAddr;

use bytes::Bytes;
use stentor_core::app::{Acceptance, Metric, ShardContext, ShardRequest};
use stentor_core::channels::{ChannelAnswer, Position, Subscribed};
use stentor_core::delivery::{Codec, Outgoing};
use stentor_core::{
    CloseCause, CloseCode, ConnId, Context, Decision, DeliveryReport, Handler, HttpRequest,
    Message, MessageType, ShardId, TaskEnd,
};

use crate::admission::{RequestVerdict, admit};
use crate::api::{ApiCall, ApiRun, ApiVerdict};
use crate::client_id::ClientIds;
use crate::client_protocol::{ClientCodec, DisconnectCode};
use crate::command::priority;
use crate::emulation::{ArrivedCommands, ArrivedPoll, CommandPost, PollPost, StreamVerdict};
use crate::gateway_rooms::NamespaceRooms;
use crate::publication_encoding::{self, CODECS};
use crate::rooms::{RoomOutcome, RoomTask, Rooms};
use crate::session::{Session, SessionCall, Shared, close_code};
use crate::settings::{GatewaySettings, SettingsUpdates};
use crate::stats::GatewayStats;
use crate::tag_filter;
use crate::transport::{ClientLink, Transport};

/// The text that clients of the seed protocol get from time to time, if that is set.
const HEARTBEAT: &[u8] = b"heartbeat";

/// The application of the Stentor servers: serves the Centrifugo client protocol at
/// `/connection/websocket` and the seed protocol at `/ws`, on the same channels. One for each shard.
#[derive(Debug)]
pub struct Gateway {
    settings: Arc<GatewaySettings>,
    /// Where newer ones come from, and the version of those here.
    updates: Option<(Arc<dyn SettingsUpdates>, u64)>,
    shared: Shared,
}

/// What a [`Gateway`] keeps for a connection.
#[derive(Debug)]
pub struct ConnectionState(Protocol);

#[derive(Debug)]
enum Protocol {
    /// The seed protocol. The id is what others see of the client.
    Room { client: u64 },
    /// The channel protocol.
    Client(Box<Session>),
    /// A request of the server API.
    Api(Box<ApiCall>),
    /// A request with commands for another connection.
    Commands(Box<CommandPost>),
    /// A request that polls another connection.
    Poll(Box<PollPost>),
}

impl Gateway {
    /// Creates the handler of a shard.
    pub fn new(shard: ShardId, settings: Arc<GatewaySettings>) -> Self {
        let mut shared = Shared::new(ClientIds::new(settings.node, shard));
        shared.stats.namespaces.update(&settings.namespaces);
        Self {
            settings,
            updates: None,
            shared,
        }
    }

    /// Has it take newer settings when there are some: of access, tokens, namespaces and the server API.
    /// Whoever is connected stays so; what is asked from then on is decided by them.
    #[must_use]
    pub fn with_updates(mut self, updates: Arc<dyn SettingsUpdates>) -> Self {
        self.updates = Some((updates, 0));
        self
    }

    /// Takes newer settings, if there are some.
    fn update(&mut self) {
        if let Some((updates, version)) = &mut self.updates
            && let Some(settings) = updates.newer_than(version)
        {
            self.shared.stats.namespaces.update(&settings.namespaces);
            self.settings = settings;
        }
    }

    /// Returns its counters.
    pub const fn stats(&self) -> &GatewayStats {
        &self.shared.stats
    }

    /// Opens the session that a poll begins, if there may be one more.
    fn open_polled(&mut self, post: &PollPost, ctx: &mut Context<'_, Self, ()>) -> Option<ConnId> {
        let max = self.settings.transports.poll_max_sessions;
        if !post.begins_session() || self.shared.stats.polled >= max as u64 {
            return None;
        }
        let link = ClientLink::new(Transport::Poll, ClientCodec::Json);
        let session = Box::new(Session::new(link, Vec::new()));
        let state = ConnectionState(Protocol::Client(session));
        let opened = ctx.open_detached(state, link.core_codec());
        self.shared.stats.polled += u64::from(opened.is_some());
        opened
    }

    /// Calls the protocol of a connection.
    fn call(
        &mut self,
        ctx: &mut Context<'_, Self>,
        room: impl FnOnce(&Rooms, &NamespaceRooms<'_>, &mut Context<'_, Self, ()>),
        client: impl FnOnce(SessionCall<'_, '_, Self>),
    ) {
        self.call_any(ctx, room, client, |_| {});
    }

    /// Calls the protocol of a connection, or its request of the server API.
    fn call_any(
        &mut self,
        ctx: &mut Context<'_, Self>,
        room: impl FnOnce(&Rooms, &NamespaceRooms<'_>, &mut Context<'_, Self, ()>),
        client: impl FnOnce(SessionCall<'_, '_, Self>),
        api: impl FnOnce(ApiRun<'_, '_, Self>),
    ) {
        let (state, mut ctx) = ctx.split();
        let settings = &*self.settings;
        match &mut state.0 {
            Protocol::Room { client } => {
                let rooms = NamespaceRooms {
                    settings,
                    client: *client,
                };
                room(&settings.seed_protocol.rooms, &rooms, &mut ctx);
            }
            Protocol::Client(session) => {
                self.shared.begin();
                client(SessionCall {
                    settings,
                    shared: &mut self.shared,
                    session,
                    ctx: &mut ctx,
                });
            }
            Protocol::Api(call) => api(ApiRun {
                settings,
                shared: &mut self.shared,
                call,
                ctx: &mut ctx,
            }),
            // They wait for one answer only.
            Protocol::Commands(_) | Protocol::Poll(_) => {}
        }
    }
}

impl Handler for Gateway {
    type State = ConnectionState;
    type Task = RoomTask;
    type Outcome = RoomOutcome;

    const CODECS: usize = CODECS;

    fn encode(codec: Codec, message: &Outgoing<'_>, out: &mut Vec<u8>) -> Option<MessageType> {
        publication_encoding::encode(codec, message, out)
    }

    fn passes(filter: &[u8], message: &Outgoing<'_>) -> bool {
        tag_filter::passes(filter, message.annotation)
    }

    fn describe(&self, state: &ConnectionState) -> Vec<(&'static str, String)> {
        match &state.0 {
            Protocol::Room { client } => Vec::from([
                ("client", client.to_string()),
                ("transport", "websocket".into()),
                ("protocol", "seed".into()),
            ]),
            Protocol::Client(session) => session.describe(),
            Protocol::Api(_) | Protocol::Commands(_) | Protocol::Poll(_) => Vec::new(),
        }
    }

    fn metrics(&self) -> Vec<Metric> {
        self.shared.stats.metrics()
    }

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        self.update();
        let now = request.unix_time().as_secs();
        let is_banned = |peer: SocketAddr| self.shared.bans.has_address(peer.ip(), now);
        match admit(&self.settings, request) {
            RequestVerdict::Room | RequestVerdict::Client { .. } | RequestVerdict::Stream(_)
                if request.peer().is_some_and(is_banned) =>
            {
                Decision::reject(403)
            }
            RequestVerdict::Room => Decision::accept(ConnectionState(Protocol::Room { client: 0 })),
            RequestVerdict::Client {
                link,
                subprotocol,
                first,
            } => Decision::Accept(accept(link, first).subprotocol(subprotocol)),
            RequestVerdict::Stream(StreamVerdict::Session {
                link,
                first,
                fields,
            }) => {
                let mut acceptance = accept(link, first).wire(link.wire());
                for (name, value) in fields {
                    acceptance = acceptance.field(name, value);
                }
                Decision::Accept(acceptance)
            }
            RequestVerdict::Stream(StreamVerdict::Commands(post)) => {
                Decision::Hold(ConnectionState(Protocol::Commands(Box::new(post))))
            }
            RequestVerdict::Stream(StreamVerdict::Poll(post)) => {
                Decision::Hold(ConnectionState(Protocol::Poll(Box::new(post))))
            }
            RequestVerdict::Stream(StreamVerdict::Answered(response)) => {
                Decision::Respond(response)
            }
            RequestVerdict::Api(ApiVerdict::Held) => {
                Decision::Hold(ConnectionState(Protocol::Api(Box::new(ApiCall::new()))))
            }
            RequestVerdict::Api(ApiVerdict::Refused(response)) => Decision::Respond(response),
            RequestVerdict::Api(ApiVerdict::Unauthorized(response)) => {
                self.shared.stats.api.unauthorized += 1;
                Decision::Respond(response)
            }
            RequestVerdict::Refused(refusal) => {
                self.shared.stats.requests_refused += u64::from(refusal.is_of_access());
                Decision::Reject(refusal.response())
            }
        }
    }

    fn on_held(&mut self, ctx: &mut Context<'_, Self>, request: &HttpRequest<'_>) {
        match ctx.split() {
            (ConnectionState(Protocol::Commands(post)), mut ctx) => return post.begin(&mut ctx),
            (ConnectionState(Protocol::Poll(post)), mut ctx) => {
                let opened = self.open_polled(post, &mut ctx);
                return post.begin(&mut ctx, opened, self.settings.transports.poll_wait);
            }
            _ => {}
        }
        self.call_any(
            ctx,
            // Their requests are not held.
            |_, _, _| {},
            |_| {},
            |mut api| api.begin(request),
        );
    }

    fn on_open(&mut self, ctx: &mut Context<'_, Self>) {
        let id = self.shared.ids.next(ctx.unix_time());
        if let Protocol::Room { client } = &mut ctx.state().0 {
            *client = id;
        }
        self.call(
            ctx,
            |_, rooms, ctx| set_heartbeat(rooms, ctx),
            |mut call| call.open(id),
        );
    }

    fn on_message(&mut self, ctx: &mut Context<'_, Self>, message: Message<'_>) {
        self.update();
        self.call(
            ctx,
            |settings, rooms, ctx| settings.handle_message(rooms, ctx, message),
            |mut call| call.handle_message(message.payload),
        );
    }

    fn on_timer(&mut self, ctx: &mut Context<'_, Self>) {
        self.call(
            ctx,
            |_, rooms, ctx| {
                ctx.reply(MessageType::Text, priority::ECHO, HEARTBEAT);
                set_heartbeat(rooms, ctx);
            },
            |mut call| call.handle_timer(),
        );
    }

    fn on_task(&mut self, ctx: &mut Context<'_, Self>, end: TaskEnd<Self>) {
        self.call(
            ctx,
            |settings, rooms, ctx| settings.handle_task(rooms, ctx, end),
            // Its clients have no tasks.
            |_| {},
        );
    }

    fn on_published(&mut self, ctx: &mut Context<'_, Self>, ticket: u64, outcome: DeliveryReport) {
        self.call_any(
            ctx,
            |_, _, ctx| Rooms::handle_report(ctx, ticket, outcome),
            // Its clients ask for no receipts.
            |_| {},
            |mut api| api.handle_report(ticket, outcome),
        );
    }

    fn on_subscribed(&mut self, ctx: &mut Context<'_, Self>, subscribed: Subscribed) {
        self.call(
            ctx,
            // It has been told already that it is in the room.
            |_, _, _| {},
            |mut call| call.handle_subscribed(subscribed),
        );
    }

    fn on_subscribe_refused(&mut self, ctx: &mut Context<'_, Self>, channel: &[u8]) {
        self.call(
            ctx,
            |_, _, ctx| Rooms::handle_refusal(ctx),
            |mut call| call.handle_subscribe_refused(channel),
        );
    }

    fn on_position_lost(&mut self, ctx: &mut Context<'_, Self>, channel: &[u8]) {
        self.call(
            ctx,
            // It has none.
            |_, _, _| {},
            |mut call| call.handle_position_lost(channel),
        );
    }

    fn on_accepted(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        position: Option<Position>,
    ) {
        self.call_any(
            ctx,
            // It does not ask.
            |_, _, _| {},
            |mut call| call.handle_accepted(ticket),
            |mut api| api.handle_accepted(ticket, position),
        );
    }

    fn on_channel_answer(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        answer: ChannelAnswer,
    ) {
        match &ctx.state().0 {
            // They ask nothing.
            Protocol::Room { .. } | Protocol::Commands(_) | Protocol::Poll(_) => {}
            Protocol::Client(_) => {
                self.call(
                    ctx,
                    |_, _, _| {},
                    |mut call| call.handle_answer(ticket, answer),
                );
            }
            Protocol::Api(_) => {
                self.call_any(
                    ctx,
                    |_, _, _| {},
                    |_| {},
                    |mut api| api.handle_answer(answer),
                );
            }
        }
    }

    fn on_shard_request(&mut self, shard: &mut ShardContext<'_, Self>, request: ShardRequest) {
        let payload = request.payload();
        let conn = ArrivedCommands::decode(payload).map(|arrived| arrived.conn);
        let conn = conn.or_else(|| Some(ArrivedPoll::decode(payload)?.conn));
        let Some(conn) = conn else {
            let answer = self.answer(shard, &request);
            return shard.answer(request, answer);
        };
        if let Err(request) = shard.forward(conn, request) {
            shard.answer(request, Bytes::new());
        }
    }

    fn on_forwarded(&mut self, ctx: &mut Context<'_, Self>, request: ShardRequest) {
        let commands = ArrivedCommands::decode(request.payload());
        let poll = ArrivedPoll::decode(request.payload());
        let mut request = Some(request);
        self.call(
            ctx,
            // Nobody has its secret.
            |_, _, _| {},
            |mut call| {
                if let Some(arrived) = commands {
                    call.handle_message(&arrived.commands);
                    if let Some(request) = request.take() {
                        call.ctx.answer(request, ArrivedCommands::TAKEN);
                    }
                } else if let Some((poll, request)) = poll.zip(request.take()) {
                    call.handle_poll(request, &poll);
                }
            },
        );
        if let Some(request) = request {
            ctx.answer(request, Bytes::new());
        }
    }

    fn on_output(&mut self, ctx: &mut Context<'_, Self>) {
        self.call(
            ctx,
            // It has a link.
            |_, _, _| {},
            |mut call| call.give_output(),
        );
    }

    fn on_close(&mut self, ctx: &mut Context<'_, Self>, _: CloseCause) {
        self.call(
            ctx,
            // Nothing is kept for it.
            |_, _, _| {},
            |mut call| call.handle_close(),
        );
    }

    fn on_shard_answers(
        &mut self,
        ctx: &mut Context<'_, Self>,
        _: u64,
        answers: Vec<(ShardId, Bytes)>,
    ) {
        match ctx.split() {
            (ConnectionState(Protocol::Commands(post)), mut ctx) => post.finish(&mut ctx, &answers),
            (ConnectionState(Protocol::Poll(post)), mut ctx) => post.finish(&mut ctx, &answers),
            _ => self.call_any(
                ctx,
                // They do not ask.
                |_, _, _| {},
                |mut call| call.handle_user_verdict(&answers),
                |mut api| api.handle_shard_answers(&answers),
            ),
        }
    }

    fn encode_close(codec: Codec, code: CloseCode, reason: &str, out: &mut Vec<u8>) {
        publication_encoding::encode_close(codec, code, reason, out);
    }

    fn shutdown(codec: Codec) -> (CloseCode, &'static str) {
        if codec == Codec::VERBATIM {
            (CloseCode::GOING_AWAY, "")
        } else {
            (
                close_code(DisconnectCode::Shutdown),
                DisconnectCode::Shutdown.reason(),
            )
        }
    }

    fn too_many_messages(codec: Codec) -> (CloseCode, &'static str) {
        if codec == Codec::VERBATIM {
            (CloseCode::POLICY, "too many messages")
        } else {
            (
                close_code(DisconnectCode::TooManyRequests),
                DisconnectCode::TooManyRequests.reason(),
            )
        }
    }

    fn slow_consumer(codec: Codec) -> (CloseCode, &'static str) {
        if codec == Codec::VERBATIM {
            (CloseCode::TRY_LATER, "slow consumer")
        } else {
            (
                close_code(DisconnectCode::Slow),
                DisconnectCode::Slow.reason(),
            )
        }
    }
}

/// Returns what a client of the channel protocol is accepted with.
fn accept(link: ClientLink, first: Vec<u8>) -> Acceptance<ConnectionState> {
    let session = Box::new(Session::new(link, first));
    Acceptance::new(ConnectionState(Protocol::Client(session))).codec(link.core_codec())
}

fn set_heartbeat(rooms: &NamespaceRooms<'_>, ctx: &mut Context<'_, Gateway, ()>) {
    if let Some(heartbeat) = rooms.settings.seed_protocol.heartbeat {
        ctx.set_timer(heartbeat);
    }
}
