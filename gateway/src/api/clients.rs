//! What a backend asks about clients and does to them, on all shards.

use alloc::string::String;
use alloc::vec::Vec;
use core::net::IpAddr;

use bytes::Bytes;
use data_encoding::BASE64;
use serde_json::value::RawValue;
use stentor_core::app::ShardTarget;
use stentor_core::{Handler, ShardId};

use super::method::ApiMethod;
use super::params::{
    BanParams, ConnectionsParams, DisconnectParams, ExplainParams, RefreshParams, SubscribeParams,
    TargetParams, UnsubscribeParams,
};
use super::query::resolve;
use super::running::{ApiRun, Asking, Begun, Running};
use crate::client_protocol::{DisconnectCode, ErrorCode};
use crate::questions::{self, Action, FoundClients, ShardQuestion, Target, override_list};
use crate::token::Overrides;

/// The clients that one answer describes, unless the caller wants fewer or more.
const DEFAULT_LIMIT: u64 = 1_000;
/// The most clients that one answer describes.
const MAX_LIMIT: u64 = 10_000;

/// Returns which clients are meant. Nobody is not everybody.
fn target(params: &TargetParams<'_>) -> Result<Target, ErrorCode> {
    let target = Target {
        user: (*params.user).into(),
        client: (*params.client).into(),
        session: (*params.session).into(),
        address: (*params.address).into(),
        ..Target::default()
    };
    let is_empty = [
        &target.user,
        &target.client,
        &target.session,
        &target.address,
    ]
    .iter()
    .all(|text| text.is_empty());
    if is_empty || !is_address(&target.address) {
        return Err(ErrorCode::BadRequest);
    }
    Ok(target)
}

fn is_address(text: &str) -> bool {
    text.is_empty() || text.parse::<IpAddr>().is_ok()
}

/// Returns bytes that are given as JSON or in base64, which wins.
fn bytes_of(json: &[u8], base64: &str) -> Result<Vec<u8>, ErrorCode> {
    match base64 {
        "" => Ok(json.into()),
        text => BASE64
            .decode(text.as_bytes())
            .map_err(|_| ErrorCode::BadRequest),
    }
}

impl<H: Handler> ApiRun<'_, '_, H> {
    /// Asks all shards.
    pub(super) fn ask(&mut self, method: ApiMethod, question: &ShardQuestion) -> Begun {
        self.ask_in_turn(method, question, None)
    }

    fn ask_in_turn(
        &mut self,
        method: ApiMethod,
        question: &ShardQuestion,
        next: Option<ShardQuestion>,
    ) -> Begun {
        self.call.running = Running::Ask(Asking { method, next });
        let question = questions::encode(question);
        self.ctx.ask(0, ShardTarget::All, question);
        Ok(())
    }

    fn act(&mut self, method: ApiMethod, target: Target, action: Action) -> Begun {
        self.ask(method, &ShardQuestion::Act { target, action })
    }

    /// Subscribes the clients of a user to a channel.
    pub(super) fn subscribe(&mut self, params: &SubscribeParams<'_>) -> Begun {
        let target = target(&params.target())?;
        resolve(self.settings, &params.channel)?;
        let action = Action::Subscribe {
            channel: (*params.channel).into(),
            expires_at: u64::try_from(params.expire_at).unwrap_or(0),
            info: bytes_of(params.info, &params.b64info)?,
            data: bytes_of(params.data, &params.b64data)?,
            since: params
                .recover_since
                .as_ref()
                .map(|since| (since.offset, String::from(&*since.epoch))),
            overrides: override_list(params.overrides.map(Overrides::from).unwrap_or_default()),
        };
        self.act(ApiMethod::Subscribe, target, action)
    }

    /// Ends subscriptions of the clients of a user.
    pub(super) fn unsubscribe(&mut self, params: &UnsubscribeParams<'_>) -> Begun {
        let target = target(&params.target())?;
        let channel = (*params.channel).into();
        self.act(
            ApiMethod::Unsubscribe,
            target,
            Action::Unsubscribe { channel },
        )
    }

    /// Closes the connections of a user, or of an address.
    pub(super) fn disconnect(&mut self, params: &DisconnectParams<'_>) -> Begun {
        let mut target = target(&params.target())?;
        let spared = params.whitelist.iter();
        target.spared = spared.map(|client| String::from(&*client.0)).collect();
        let given = params.disconnect.as_ref();
        let code = given.map_or(0, |given| given.code);
        let code = match u16::try_from(code) {
            Ok(0) => DisconnectCode::ForceDisconnect.number(),
            Ok(code @ 3_000..5_000) => code,
            _ => return Err(ErrorCode::BadRequest),
        };
        let reason = given.map_or("", |given| &given.reason);
        if reason.len() > MAX_REASON {
            return Err(ErrorCode::BadRequest);
        }
        let reason = reason.into();
        self.act(
            ApiMethod::Disconnect,
            target,
            Action::Disconnect { code, reason },
        )
    }

    /// Lets the connections of a user expire at another time.
    pub(super) fn refresh(&mut self, params: &RefreshParams<'_>) -> Begun {
        let target = target(&params.target())?;
        let action = if params.expired {
            Action::Disconnect {
                code: DisconnectCode::ConnectionExpired.number(),
                reason: String::new(),
            }
        } else {
            Action::Refresh {
                expires_at: u64::try_from(params.expire_at).unwrap_or(0),
                info: params.info.into(),
            }
        };
        self.act(ApiMethod::Refresh, target, action)
    }

    /// Asks which clients a user, a channel or an address has.
    pub(super) fn connections(&mut self, params: &ConnectionsParams<'_>) -> Begun {
        let channel = &*params.channel;
        let target = match target(&params.target()) {
            Ok(target) => target,
            Err(_) if !channel.is_empty() && is_address(&params.address) => Target::default(),
            Err(code) => return Err(code),
        };
        let target = Target {
            channel: channel.into(),
            ..target
        };
        let limit = match params.limit {
            0 => DEFAULT_LIMIT,
            limit => limit.min(MAX_LIMIT),
        };
        let question = ShardQuestion::Connections {
            target,
            limit: limit as usize,
        };
        self.call.limit = limit as usize;
        self.ask(ApiMethod::Connections, &question)
    }

    /// Asks how a client is.
    pub(super) fn explain(&mut self, params: &ExplainParams<'_>) -> Begun {
        let client = params.client.parse();
        let client = client.map_err(|_| ErrorCode::BadRequest)?;
        self.ask(ApiMethod::Explain, &ShardQuestion::Explain { client })
    }

    /// Lets a user or an address not connect until then, and closes the connections that it has.
    pub(super) fn ban(&mut self, params: &BanParams<'_>) -> Begun {
        let now = self.ctx.unix_time().as_secs();
        let until = match params.ttl {
            0 => u64::try_from(params.expire_at).unwrap_or(0),
            ttl => now.saturating_add(ttl),
        };
        if until <= now {
            return Err(ErrorCode::BadRequest);
        }
        let ban = ban_of(params, until)?;
        let act = ShardQuestion::Act {
            target: target(&params.target())?,
            action: Action::Disconnect {
                code: DisconnectCode::PermissionDenied.number(),
                reason: String::new(),
            },
        };
        self.ask_in_turn(ApiMethod::Ban, &ban, Some(act))
    }

    /// Lets a user or an address connect again.
    pub(super) fn unban(&mut self, params: &BanParams<'_>) -> Begun {
        let question = ban_of(params, 0)?;
        self.ask(ApiMethod::Unban, &question)
    }

    /// Takes the answers of all shards.
    pub(super) fn shards_answered(&mut self, answers: &[(ShardId, Bytes)]) {
        let Running::Ask(asking) = &mut self.call.running else {
            return;
        };
        let method = asking.method;
        if let Some(next) = asking.next.take() {
            let is_done = |(_, answer): &(ShardId, Bytes)| questions::decode(answer) == Some(true);
            if !answers.iter().all(is_done) {
                return self.fail(ErrorCode::LimitExceeded);
            }
            // It is asked like one that comes alone, and cannot fail.
            let _ = self.ask(method, &next);
            return;
        }
        match method {
            ApiMethod::Channels => self.channels_answered(answers),
            ApiMethod::Info => self.info_answered(answers),
            ApiMethod::Connections => {
                let found = found(answers);
                let limit = self.call.limit;
                self.succeed(method, |object| {
                    object.object("connections", |object| {
                        for (client, text) in found.clients.iter().take(limit) {
                            object.raw_entry(client, text);
                        }
                        Ok(())
                    })?;
                    object.number_always("num_connections", found.matching);
                    Ok(())
                });
            }
            ApiMethod::Explain => {
                let found = found(answers);
                self.succeed(method, |object| {
                    for (_, text) in found.clients.iter().take(1) {
                        object.raw_entry("connection", text);
                    }
                    Ok(())
                });
            }
            _ => self.succeed(method, |_| Ok(())),
        }
    }
}

/// The most bytes of the reason in a close frame (RFC 6455 §5.5).
const MAX_REASON: usize = 123;

fn ban_of(params: &BanParams<'_>, until: u64) -> Result<ShardQuestion, ErrorCode> {
    let is_said = params.user.is_empty() != params.address.is_empty();
    if !is_said || !is_address(&params.address) {
        return Err(ErrorCode::BadRequest);
    }
    Ok(ShardQuestion::Ban {
        user: (*params.user).into(),
        address: (*params.address).into(),
        until,
    })
}

/// Returns the clients that the shards have found.
fn found(answers: &[(ShardId, Bytes)]) -> FoundClients {
    let mut all = FoundClients::default();
    for (_, answer) in answers {
        let found: FoundClients = questions::decode(answer).unwrap_or_default();
        all.matching += found.matching;
        // What a node of another version says must not spoil the answer.
        let clients = found.clients.into_iter();
        let is_json = |text: &str| serde_json::from_str::<&RawValue>(text).is_ok();
        all.clients
            .extend(clients.filter(|(_, text)| is_json(text)));
    }
    all
}
