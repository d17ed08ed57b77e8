//! Clients of the channel protocol: what is kept for each, its life, and which command does what.
//!
//! | file | owns |
//! |---|---|
//! | `connect` | the first command, server-side subscriptions |
//! | `subscribe` | subscriptions: permission, answers, ends |
//! | `rules` | what a subscription has |
//! | `publish` | publications, and the options of a channel |
//! | `query` | presence, history, remote procedures |
//! | `refresh` | new tokens |
//! | `control` | what a backend does to a client |
//! | `timers` | pings, expiry, clients that do not connect |
//! | `polls` | sessions that are polled: batches, and how long they last |
//! | `replies` | what is sent to the client |
//! | `subscriptions`, `pings`, `error_budget` | state with rules of its own |

mod connect;
mod control;
mod counting;
mod error_budget;
mod pings;
mod polls;
mod publish;
mod query;
mod refresh;
mod replies;
mod rules;
mod subscribe;
mod subscriptions;
mod timers;

pub(crate) use connect::VERSION;
pub(crate) use control::SubscriptionOrder;
pub(crate) use publish::{send_options, send_options_with};
pub(crate) use replies::close_code;
pub(crate) use rules::{retention_of, since};

use alloc::boxed::Box;
use alloc::string::{String, ToString as _};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::mem;
use core::num::NonZeroU64;

use stentor_core::channels::{MemberInfo, Subscribed};
use stentor_core::proto::wire::Wire;
use stentor_core::{Context, Handler, Timestamp};

use self::error_budget::ErrorBudget;
use self::pings::Pings;
use self::subscriptions::{PendingReply, Subscriptions};
use crate::bans::Bans;
use crate::client_id::ClientIds;
use crate::client_protocol::{
    ClientCodec, Command, CommandRequest, Commands, DisconnectCode, ErrorCode, msgpack_to_lines,
};
use crate::emulation::Polling;
use crate::namespaces::ChannelClient;
use crate::settings::{Access, GatewaySettings};
use crate::stats::GatewayStats;
use crate::token::Rejection;
use crate::transport::{ClientLink, Transport};
use crate::user_connections::UserConnections;
use crate::users::Users;

/// What is kept for a client.
#[derive(Debug)]
pub(crate) struct Session {
    phase: SessionPhase,
    link: ClientLink,
    client: u64,
    /// Empty if anonymous.
    user: Box<str>,
    /// What the client calls itself, with its version.
    name: Box<str>,
    /// What the connection token says about the user.
    conn_info: Box<[u8]>,
    /// What others see of the client in channels whose token says nothing about it.
    member: Option<Arc<MemberInfo>>,
    subscriptions: Subscriptions,
    /// Hash of the server-side subscriptions that the connection token has.
    token_channels: u64,
    /// When the connection expires, in seconds of Unix time.
    expires_at: Option<NonZeroU64>,
    pings: Option<Pings>,
    errors: ErrorBudget,
    count: UserCount,
    /// It is counted as a client that is connected.
    is_connected: bool,
    /// Of a session that is polled.
    polling: Option<Box<Polling>>,
}

/// How far a connection has come.
#[derive(Debug)]
enum SessionPhase {
    /// It has just been accepted. Its first message may have come with its request.
    Accepted {
        first: Vec<u8>,
    },
    /// It has to connect until then.
    AwaitingConnect {
        until: Timestamp,
        /// That time was begun anew, because nobody looked when it was over.
        is_excused: bool,
    },
    /// Its server-side subscriptions are being made; the reply to `connect` waits for them.
    Connecting(Box<Connecting>),
    Established,
    /// `connect` was answered with an error. The client has to leave until then.
    Unusable {
        until: Timestamp,
    },
    /// It is being closed.
    Closing,
}

impl SessionPhase {
    /// Returns its name for operators.
    const fn name(&self) -> &'static str {
        match self {
            Self::Accepted { .. } | Self::AwaitingConnect { .. } => "awaiting connect",
            Self::Connecting(_) => "connecting",
            Self::Established => "established",
            Self::Unusable { .. } | Self::Closing => "closing",
        }
    }
}

/// Whether a connection is one of those of its user that are counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum UserCount {
    Uncounted,
    /// It will be, or is to be closed. The client is told nothing before.
    Asked,
    Counted,
}

/// A `connect` that waits for its server-side subscriptions.
#[derive(Debug)]
struct Connecting {
    command: u32,
    /// How many have not been answered.
    waiting: usize,
    answers: Vec<(Box<PendingReply>, Subscribed)>,
}

impl Session {
    /// Returns the session of a connection that has just been accepted. Its time to connect begins
    /// with [`open`](SessionCall::open).
    pub(crate) fn new(link: ClientLink, first: Vec<u8>) -> Self {
        Self {
            phase: SessionPhase::Accepted { first },
            link,
            client: 0,
            user: Box::default(),
            conn_info: Box::default(),
            member: None,
            subscriptions: Subscriptions::default(),
            token_channels: 0,
            expires_at: None,
            pings: None,
            errors: ErrorBudget::default(),
            count: UserCount::Uncounted,
            is_connected: false,
            name: Box::default(),
            polling: None,
        }
    }

    /// Returns what an operator sees of the client. What is empty is left out.
    pub(crate) fn describe(&self) -> Vec<(&'static str, String)> {
        let fields = [
            ("user", String::from(&*self.user)),
            ("client", self.client.to_string()),
            ("transport", self.link.transport.name().into()),
            ("protocol", self.link.codec.name().into()),
            ("name", String::from(&*self.name)),
            ("phase", self.phase.name().into()),
        ];
        let fields = fields.into_iter();
        fields.filter(|(_, value)| !value.is_empty()).collect()
    }
}

/// What the sessions of a shard share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ids: ClientIds,
    pub(crate) stats: GatewayStats,
    /// The connected clients.
    pub(crate) users: Users,
    /// Those of the users for whom this shard decides how many there may be.
    pub(crate) user_connections: UserConnections,
    pub(crate) bans: Bans,
    /// Replies that are not sent yet.
    out: Vec<u8>,
    /// Commands that came as MessagePack, as lines of JSON.
    lines: Vec<u8>,
    /// The token that is verified.
    token: Vec<u8>,
    pub(crate) annotation: Vec<u8>,
}

impl Shared {
    pub(crate) fn new(ids: ClientIds) -> Self {
        Self {
            ids,
            stats: GatewayStats::default(),
            users: Users::default(),
            user_connections: UserConnections::default(),
            bans: Bans::default(),
            out: Vec::new(),
            lines: Vec::new(),
            token: Vec::new(),
            annotation: Vec::new(),
        }
    }

    /// Begins a callback: what one that panicked has left is not for another client.
    pub(crate) fn begin(&mut self) {
        self.out.clear();
    }
}

/// A callback for a client.
#[derive(Debug)]
pub(crate) struct SessionCall<'a, 'c, H: Handler> {
    pub(crate) settings: &'a GatewaySettings,
    pub(crate) shared: &'a mut Shared,
    pub(crate) session: &'a mut Session,
    pub(crate) ctx: &'a mut Context<'c, H, ()>,
}

/// The end of a command that has been replied to, or whose reply comes later.
type CommandOutcome = Result<(), Rejection>;

/// Returns a refusal that is answered with an error.
const fn error(code: ErrorCode) -> Rejection {
    Rejection::Error(code)
}

/// Returns a refusal that closes the connection.
const fn disconnect(code: DisconnectCode) -> Rejection {
    Rejection::Disconnect(code)
}

impl<H: Handler> SessionCall<'_, '_, H> {
    /// Begins the session: the client has to connect.
    pub(crate) fn open(&mut self, client: u64) {
        self.session.client = client;
        let awaiting = SessionPhase::AwaitingConnect {
            until: self.ctx.now().after(self.settings.client.stale_close_delay),
            is_excused: false,
        };
        let accepted = mem::replace(&mut self.session.phase, awaiting);
        let transport = self.session.link.transport;
        if transport == Transport::Poll {
            let until = self.ctx.now().after(self.settings.client.detached_for);
            self.session.polling = Some(Polling::new(until).into());
        }
        self.set_timer();
        match accepted {
            SessionPhase::Accepted { first } if !first.is_empty() => self.handle_message(&first),
            // Without one there is nothing to come.
            _ if self.session.link.wire() != Wire::WebSocket && transport != Transport::Poll => {
                self.disconnect(DisconnectCode::BadRequest);
            }
            _ => {}
        }
    }

    /// Carries out the commands of a message.
    pub(crate) fn handle_message(&mut self, message: &[u8]) {
        if self.session.link.is_one_way() {
            return self.handle_one_way_message(message);
        }
        match self.session.link.codec {
            ClientCodec::MessagePack => self.handle_message_pack(message),
            codec => self.handle_commands(codec.decode(message)),
        }
        self.flush();
    }

    fn handle_message_pack(&mut self, message: &[u8]) {
        let mut lines = mem::take(&mut self.shared.lines);
        let translated = msgpack_to_lines(message, &mut lines);
        if !lines.is_empty() || translated.is_ok() {
            self.handle_commands(ClientCodec::MessagePack.decode(&lines));
        }
        if let Err(error) = translated {
            self.disconnect(error.disconnect_code());
        }
        lines.clear();
        lines.shrink_to(replies::MAX_KEPT);
        self.shared.lines = lines;
    }

    fn handle_commands(&mut self, commands: Commands<'_>) {
        for command in commands {
            if matches!(self.session.phase, SessionPhase::Closing) {
                break;
            }
            match command {
                Ok(command) if self.is_repeated(&command) => {}
                Ok(command) => self.handle_command(command),
                Err(error) => self.disconnect(error.disconnect_code()),
            }
        }
    }

    /// Returns whether a command has been carried out, which only clients that poll send again.
    fn is_repeated(&mut self, command: &Command<'_>) -> bool {
        match &mut self.session.polling {
            Some(polling) if command.id != 0 => !polling.seen.insert(command.id),
            _ => false,
        }
    }

    /// Takes the request of a one-way client. There is nothing else that it could say.
    fn handle_one_way_message(&mut self, message: &[u8]) {
        if !matches!(self.session.phase, SessionPhase::AwaitingConnect { .. }) {
            return;
        }
        match self.session.link.codec.decode_connect(message) {
            Ok(request) => self.handle_command(Command {
                id: 0,
                request: CommandRequest::Connect(request),
            }),
            Err(error) => self.disconnect(error.disconnect_code()),
        }
        self.flush();
    }

    fn handle_command(&mut self, command: Command<'_>) {
        let id = command.id;
        match self.execute(command) {
            Ok(()) => {}
            Err(Rejection::Error(code)) if self.session.link.is_one_way() => {
                self.shared.stats.add_error(code);
                self.disconnect(disconnect_for(code));
            }
            Err(Rejection::Error(code)) => self.fail(id, code),
            Err(Rejection::Disconnect(code)) => self.disconnect(code),
        }
    }

    fn execute(&mut self, command: Command<'_>) -> CommandOutcome {
        let Command { id, request } = command;
        self.shared.stats.add_command(&request);
        let is_first = match self.session.phase {
            SessionPhase::AwaitingConnect { .. } => true,
            SessionPhase::Connecting(_) | SessionPhase::Established => false,
            SessionPhase::Accepted { .. }
            | SessionPhase::Unusable { .. }
            | SessionPhase::Closing => {
                return Err(disconnect(DisconnectCode::BadRequest));
            }
        };
        match request {
            CommandRequest::Connect(request) if is_first => self.connect(id, &request),
            // It must be the first, and the only one.
            CommandRequest::Connect(_) => Err(disconnect(DisconnectCode::BadRequest)),
            _ if is_first => Err(disconnect(DisconnectCode::BadRequest)),
            CommandRequest::Pong => self.pong(),
            CommandRequest::Subscribe(request) => self.subscribe(id, &request),
            CommandRequest::Unsubscribe(request) => self.unsubscribe(id, &request),
            CommandRequest::Publish(request) => self.publish(id, &request),
            CommandRequest::Presence(request) => self.presence(id, &request),
            CommandRequest::PresenceStats(request) => self.presence_stats(id, &request),
            CommandRequest::History(request) => self.history(id, &request),
            CommandRequest::Ping => Err(disconnect(DisconnectCode::BadRequest)),
            CommandRequest::Send(_) => Err(disconnect(DisconnectCode::NotAvailable)),
            CommandRequest::Rpc(request) => self.rpc(id, &request),
            CommandRequest::Refresh(request) => self.refresh(id, &request),
            CommandRequest::SubRefresh(request) => self.sub_refresh(id, &request),
        }
    }

    /// Returns the client as the rules of a channel see it.
    fn channel_client(&self, is_subscribed: bool) -> ChannelClient<'_> {
        ChannelClient {
            user: &self.session.user,
            is_subscribed,
            is_insecure: is_insecure(self.settings),
        }
    }
}

/// Returns the code with which a one-way client is closed whose `connect` has failed.
const fn disconnect_for(code: ErrorCode) -> DisconnectCode {
    match code {
        ErrorCode::TokenExpired | ErrorCode::Expired => DisconnectCode::ConnectionExpired,
        ErrorCode::PermissionDenied => DisconnectCode::PermissionDenied,
        ErrorCode::TooManyRequests => DisconnectCode::TooManyRequests,
        _ => DisconnectCode::InternalError,
    }
}

/// Returns whether clients may do everything.
pub(crate) fn is_insecure(settings: &GatewaySettings) -> bool {
    settings.client.insecure || settings.access == Access::Development
}

#[cfg(test)]
mod tests {
    use super::subscriptions::ClientSubscription;
    use super::*;

    #[test]
    fn an_idle_client_with_one_channel_is_small() {
        assert!(size_of::<Session>() <= 200);
        assert!(size_of::<ClientSubscription>() <= 64);
    }
}
