//! The handler of the product: clients of the channel protocol and of the seed protocol, on the same
//! channels.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use stentor_core::app::Acceptance;
use stentor_core::channels::{ChannelAnswer, Position, Subscribed};
use stentor_core::delivery::{Codec, Outgoing};
use stentor_core::{
    CloseCode, Context, Decision, DeliveryReport, Handler, HttpRequest, Message, MessageType,
    ShardId, TaskEnd,
};

use crate::admission::{RequestVerdict, admit};
use crate::client_id::ClientIds;
use crate::client_protocol::DisconnectCode;
use crate::command::priority;
use crate::gateway_rooms::NamespaceRooms;
use crate::publication_encoding::{self, CODECS, codec_of};
use crate::rooms::{RoomOutcome, RoomTask, Rooms};
use crate::session::{Session, SessionCall, Shared, close_code};
use crate::settings::GatewaySettings;
use crate::stats::GatewayStats;

/// The text that clients of the seed protocol get from time to time, if that is set.
const HEARTBEAT: &[u8] = b"heartbeat";

/// The application of the Stentor servers: serves the Centrifugo client protocol at
/// `/connection/websocket` and the seed protocol at `/ws`, on the same channels. One for each shard.
#[derive(Debug)]
pub struct Gateway {
    settings: Arc<GatewaySettings>,
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
}

impl Gateway {
    /// Creates the handler of a shard.
    pub fn new(shard: ShardId, settings: Arc<GatewaySettings>) -> Self {
        let ids = ClientIds::new(settings.node, shard);
        Self {
            settings,
            shared: Shared::new(ids),
        }
    }

    /// Returns its counters.
    pub const fn stats(&self) -> &GatewayStats {
        &self.shared.stats
    }

    /// Calls the protocol of a connection.
    fn call<R>(
        &mut self,
        ctx: &mut Context<'_, Self>,
        room: impl FnOnce(&Rooms, &NamespaceRooms<'_>, &mut Context<'_, Self, ()>) -> R,
        client: impl FnOnce(SessionCall<'_, '_, Self>) -> R,
    ) -> R {
        let (state, mut ctx) = ctx.split();
        let settings = &*self.settings;
        match &mut state.0 {
            Protocol::Room { client } => {
                let rooms = NamespaceRooms {
                    settings,
                    client: *client,
                };
                room(&settings.seed_protocol.rooms, &rooms, &mut ctx)
            }
            Protocol::Client(session) => {
                self.shared.begin();
                client(SessionCall {
                    settings,
                    shared: &mut self.shared,
                    session,
                    ctx: &mut ctx,
                })
            }
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

    fn on_request(&mut self, request: &HttpRequest<'_>) -> Decision<Self> {
        match admit(&self.settings, request) {
            RequestVerdict::Room => Decision::accept(ConnectionState(Protocol::Room { client: 0 })),
            RequestVerdict::Client {
                codec,
                subprotocol,
                has_frame_pings,
            } => {
                let session = Box::new(Session::new(codec, has_frame_pings));
                let state = ConnectionState(Protocol::Client(session));
                let acceptance = Acceptance::new(state).codec(codec_of(codec));
                Decision::Accept(acceptance.subprotocol(subprotocol))
            }
            RequestVerdict::Refused(refusal) => {
                self.shared.stats.requests_refused += u64::from(refusal.is_of_access());
                Decision::Reject(refusal.response())
            }
        }
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
        self.call(
            ctx,
            |_, _, ctx| Rooms::handle_report(ctx, ticket, outcome),
            // Its clients ask for no receipts.
            |_| {},
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

    fn on_accepted(&mut self, ctx: &mut Context<'_, Self>, ticket: u64, _: Option<Position>) {
        self.call(
            ctx,
            // It does not ask.
            |_, _, _| {},
            |mut call| call.handle_accepted(ticket),
        );
    }

    fn on_channel_answer(
        &mut self,
        ctx: &mut Context<'_, Self>,
        ticket: u64,
        answer: ChannelAnswer,
    ) {
        self.call(
            ctx,
            // It asks nothing.
            |_, _, _| {},
            |mut call| call.handle_answer(ticket, answer),
        );
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

fn set_heartbeat(rooms: &NamespaceRooms<'_>, ctx: &mut Context<'_, Gateway, ()>) {
    if let Some(heartbeat) = rooms.settings.seed_protocol.heartbeat {
        ctx.set_timer(heartbeat);
    }
}
