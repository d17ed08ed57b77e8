//! Load `tasks`: every connection has a number of tasks in flight, and sends the next when it
//! receives a result.

use std::time::Instant;

use clap::Args;
use stentor_core::MessageType;

use super::arguments::{LoadTarget, Timing, at_least_one};
use super::timed_run::{LoadShape, MeasuredTraffic, MessageCounts, TrafficResult, run_timed};
use crate::error::Error;
use crate::net::{ClientConnection, Clients, Connections, Traffic};
use stentor_benches::messages;

/// Tasks for the workers of the server, which return a result
#[derive(Clone, Debug, Args)]
pub(crate) struct TaskLoad {
    /// Connections
    #[arg(short, long, default_value_t = 64, value_parser = at_least_one)]
    pub(crate) connections: usize,
    /// Tasks in flight on each
    #[arg(short = 'd', long, default_value_t = 16, value_parser = at_least_one)]
    pub(crate) in_flight: usize,
    /// Bytes of a task
    #[arg(short = 's', long, default_value_t = 128, value_parser = at_least_one)]
    pub(crate) bytes: usize,
}

impl TaskLoad {
    pub(crate) fn run(&self, target: &LoadTarget, timing: Timing) -> Result<TrafficResult, Error> {
        let mut clients = Clients::new(&target.endpoint)?;
        clients.open(self.connections)?;
        let shape = LoadShape {
            name: "tasks",
            connections: self.connections,
            in_flight: self.in_flight,
            bytes: self.bytes,
        };
        run_timed(
            &mut clients,
            &mut TaskTraffic::new(self),
            target,
            timing,
            shape,
        )
    }
}

struct TaskTraffic {
    payload: Vec<u8>,
    /// Repeated frames, so that several are sent in one write.
    block: Vec<u8>,
    in_flight: usize,
    clients: Vec<ClientTasks>,
    /// Results received in the current read.
    completed: usize,
    counts: MessageCounts,
}

#[derive(Clone)]
struct ClientTasks {
    /// The part of the current result that has been received.
    result: Vec<u8>,
    /// Results received.
    done: usize,
    /// The send times of the tasks in flight.
    sent: Vec<Instant>,
}

impl TaskTraffic {
    fn new(tasks: &TaskLoad) -> Self {
        let payload = messages::payload(MessageType::Text, tasks.bytes);
        let mut one = Vec::new();
        messages::client_frame(&mut one, MessageType::Text, &[b"task:", &payload]);
        let client = ClientTasks {
            result: Vec::new(),
            done: 0,
            sent: vec![Instant::now(); tasks.in_flight],
        };
        Self {
            payload,
            block: one.repeat(tasks.in_flight),
            in_flight: tasks.in_flight,
            clients: vec![client; tasks.connections],
            completed: 0,
            counts: MessageCounts::default(),
        }
    }

    fn frames(&self, count: usize) -> &[u8] {
        &self.block[..self.block.len() / self.in_flight * count]
    }
}

impl Traffic for TaskTraffic {
    fn on_start(&mut self, connections: &mut Connections<'_>, now: Instant) -> Result<(), Error> {
        for (index, client) in self.clients.iter_mut().enumerate() {
            client.sent.fill(now);
            connections.send(index, &self.block)?;
        }
        Ok(())
    }

    fn on_payload(&mut self, index: usize, part: &[u8], _: Instant) -> Result<(), Error> {
        self.clients[index].result.extend_from_slice(part);
        Ok(())
    }

    fn on_message_end(&mut self, index: usize, now: Instant) -> Result<(), Error> {
        let client = &mut self.clients[index];
        if !is_result(&client.result, &self.payload) {
            let is = String::from_utf8_lossy(&client.result);
            return Err(Error::unexpected(
                index,
                format!("{is:?} instead of a result"),
            ));
        }
        client.result.clear();
        let latency = now - client.sent[client.done % self.in_flight];
        self.counts.record(latency, true);
        client.done += 1;
        self.completed += 1;
        Ok(())
    }

    fn after_read(
        &mut self,
        index: usize,
        connection: &mut ClientConnection,
        now: Instant,
    ) -> Result<(), Error> {
        let count = std::mem::take(&mut self.completed);
        let client = &mut self.clients[index];
        for number in client.done - count..client.done {
            client.sent[number % self.in_flight] = now;
        }
        // A read can return more results than one block has frames.
        let (whole, rest) = (count / self.in_flight, count % self.in_flight);
        (0..whole).try_for_each(|_| connection.send(&self.block))?;
        connection.send(self.frames(rest))
    }
}

impl MeasuredTraffic for TaskTraffic {
    fn counts(&mut self) -> &mut MessageCounts {
        &mut self.counts
    }
}

/// Returns whether this is the result of the task, from any worker.
fn is_result(result: &[u8], task: &[u8]) -> bool {
    let rest = result.strip_prefix(b"processed_by_").unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest[digits..].strip_prefix(b":") == Some(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_names_a_worker_and_the_task() {
        assert!(is_result(b"processed_by_0:x", b"x"));
        assert!(is_result(b"processed_by_17::x", b":x"));
        for other in [
            &b"processed_by_:x"[..],
            b"processed_by_0:y",
            b"processed_by_0",
            b"x",
            b"",
        ] {
            assert!(!is_result(other, b"x"));
        }
    }
}
