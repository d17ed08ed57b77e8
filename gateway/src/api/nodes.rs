//! What a backend asks about the service as a whole: the channels that have subscribers, and the nodes.

use alloc::format;
use core::hash::BuildHasher;

use bytes::Bytes;
use foldhash::fast::FixedState;
use hashbrown::HashSet;
use stentor_core::{Handler, ShardId, Timestamp};

use super::method::ApiMethod;
use super::params::ChannelsParams;
use super::running::{ApiRun, Begun};
use crate::client_protocol::ErrorCode;
use crate::glob::Glob;
use crate::questions::{self, OwnedChannels, ShardInfo, ShardQuestion};
use crate::session::VERSION;

impl<H: Handler> ApiRun<'_, '_, H> {
    /// Asks which channels have subscribers.
    pub(super) fn channels(&mut self, params: &ChannelsParams<'_>) -> Begun {
        let pattern = &*params.pattern;
        Glob::new(pattern).ok_or(ErrorCode::BadRequest)?;
        let question = ShardQuestion::Channels {
            pattern: pattern.into(),
        };
        self.ask(ApiMethod::Channels, &question)
    }

    pub(super) fn channels_answered(&mut self, answers: &[(ShardId, Bytes)]) {
        // A channel has one owner, so no name is there twice.
        let channels = answers.iter().flat_map(|(_, answer)| {
            let owned: OwnedChannels = questions::decode(answer).unwrap_or_default();
            owned
        });
        self.succeed(ApiMethod::Channels, |object| {
            object.object("channels", |object| {
                for (name, clients) in channels {
                    object.entry(&name, |object| {
                        object.number_always("num_clients", clients);
                        Ok(())
                    })?;
                }
                Ok(())
            })
        });
    }

    /// Asks how much there is on the nodes.
    pub(super) fn info(&mut self) -> Begun {
        self.ask(ApiMethod::Info, &ShardQuestion::Info)
    }

    pub(super) fn info_answered(&mut self, answers: &[(ShardId, Bytes)]) {
        let mut sum = ShardInfo::default();
        let mut users: HashSet<u64, FixedState> = HashSet::default();
        for (_, answer) in answers {
            let info: ShardInfo = questions::decode(answer).unwrap_or_default();
            sum.clients += info.clients;
            sum.channels += info.channels;
            sum.subscriptions += info.subscriptions;
            users.extend(info.users);
        }
        let node = self.settings.node;
        let uptime = self.ctx.now().since(Timestamp::ORIGIN).as_secs();
        // The second in which it has started tells it apart from the one before it.
        let started = self.ctx.unix_time().as_secs().saturating_sub(uptime);
        let uid = FixedState::default().hash_one((node, started));
        self.succeed(ApiMethod::Info, |object| {
            object.list_always("nodes", &[()], |object, ()| {
                object.text_always("uid", &format!("{uid:016x}"));
                object.text_always("name", &format!("stentor-{node}"));
                object.text_always("version", VERSION);
                object.number_always("num_clients", sum.clients);
                object.number_always("num_users", users.len());
                object.number_always("num_channels", sum.channels);
                object.number_always("uptime", uptime);
                object.number_always("num_subs", sum.subscriptions);
                Ok(())
            })
        });
    }
}
