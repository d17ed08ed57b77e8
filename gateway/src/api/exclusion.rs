//! Publications that leave one client out: its connection is looked for first, on its shard.

use alloc::string::String;
use core::mem;

use bytes::Bytes;
use stentor_core::app::ShardTarget;
use stentor_core::{Handler, ShardId};

use super::body::QueuedCommand;
use super::method::ApiMethod;
use super::params::ApiCommand;
use super::running::{ApiRun, Begun, Running};
use crate::client_id;
use crate::client_protocol::ErrorCode;
use crate::questions::{self, ShardQuestion};

impl<H: Handler> ApiRun<'_, '_, H> {
    /// Looks for the client that a publication leaves out.
    pub(super) fn locate(&mut self, method: ApiMethod, params: &[u8], client: &str) -> Begun {
        let client: u64 = client.parse().map_err(|_| ErrorCode::BadRequest)?;
        self.call.running = Running::Locate(QueuedCommand {
            method: Some(method),
            params: Bytes::copy_from_slice(params),
        });
        let target = ShardTarget::One(client_id::shard_of(client));
        let question = questions::encode(&ShardQuestion::Locate { client });
        self.ctx.ask(0, target, question);
        Ok(())
    }

    /// Publishes without the client that was looked for. One that is not there gets nothing anyway.
    pub(super) fn located(&mut self, answers: &[(ShardId, Bytes)]) {
        let running = mem::replace(&mut self.call.running, Running::Nothing);
        let Running::Locate(QueuedCommand { method, params }) = running else {
            return;
        };
        let mut found = answers.iter().filter_map(|(_, answer)| {
            let connection: Option<String> = questions::decode(answer)?;
            connection?.parse().ok()
        });
        self.call.excluded = found.next();
        let begun = method.map(|method| match ApiCommand::read(method, &params) {
            Ok(command) => self.execute(method, &command),
            // It was read before.
            Err(_) => Err(ErrorCode::Internal),
        });
        if let Some(Err(code)) = begun {
            self.fail(code);
        }
    }
}
