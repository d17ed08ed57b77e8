//! Command line: the commands and the options that they share.

use clap::{Args, Parser, Subcommand};

use crate::compare::Compare;
use crate::error::Error;
use crate::load::{
    Connect, EchoLoad, FanOut, Gateway, Hold, Idle, Laggards, LoadTarget, Mixed, TaskLoad, Timing,
    Urgent,
};
use crate::measure::MeasuredProcess;
use crate::million::Million;
use crate::raw::Raw;

/// Generates load for a WebSocket server, and reports what it costs the server
#[derive(Clone, Debug, Parser)]
#[command(name = "stentor-bench")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: BenchCommand,
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
}

/// Options of every command.
#[derive(Clone, Debug, Args)]
pub(crate) struct GlobalArgs {
    /// Runs on this core only
    #[arg(long, global = true)]
    pub(crate) core: Option<usize>,
    /// Never sleeps while waiting, so that the server does not pay for waking the generator; needs
    /// a core of its own, as in `compare`
    #[arg(long, global = true)]
    pub(crate) awake: bool,
    /// Writes the result as JSON
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Writes only errors and warnings to standard error
    #[arg(long, global = true)]
    pub(crate) quiet: bool,
}

/// The commands.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Every connection sends messages, and the server returns them
    Echo(TimedLoad<EchoLoad>),
    /// One member of a room publishes, and every member receives
    FanOut(TimedLoad<FanOut>),
    /// Idle connections in a room; needs --pid
    Idle(IdleLoad),
    /// New connections per second; each is aborted when it is open
    Connect(TimedLoad<Connect>),
    /// Messages of every priority, and the latency of each priority
    Mixed(TimedLoad<Mixed>),
    /// Tasks for the workers of the server, which return a result
    Tasks(TimedLoad<TaskLoad>),
    /// Latency of an urgent answer, while another process loads the server
    Urgent(TimedLoad<Urgent>),
    /// Push to all users who are online, in four scenarios
    Gateway(TimedLoad<Gateway>),
    /// A room of which some members do not read, compared with the same room without them
    Laggards(TimedLoad<Laggards>),
    /// One member of the room of `laggards`, which reads until the server closes
    #[command(hide = true)]
    Listen(ServerArgs),
    /// As many idle connections as this machine allows, with as many processes as needed
    Million(Million),
    /// Keeps idle connections open for `million`
    #[command(hide = true)]
    Hold(HoldLoad),
    /// Serves bytes with a bare epoll loop, without WebSocket, for comparison
    Raw(Raw),
    /// Builds servers, measures them beside a bare epoll loop, and writes the results as JSON
    Compare(Compare),
}

/// A load that runs for a given time.
#[derive(Clone, Debug, Args)]
pub(crate) struct TimedLoad<T: Args> {
    #[command(flatten)]
    pub(crate) load: T,
    #[command(flatten)]
    pub(crate) timing: Timing,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// The load `idle`, which ends on its own.
#[derive(Clone, Debug, Args)]
pub(crate) struct IdleLoad {
    #[command(flatten)]
    pub(crate) load: Idle,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// The connections of one process of `million`.
#[derive(Clone, Debug, Args)]
pub(crate) struct HoldLoad {
    #[command(flatten)]
    pub(crate) hold: Hold,
    #[command(flatten)]
    pub(crate) server: ServerArgs,
}

/// Options that name the server.
#[derive(Clone, Debug, Args)]
pub(crate) struct ServerArgs {
    /// ws://host:port/path; or raw://host:port, for `stentor-bench raw`
    #[arg(long, default_value = "ws://127.0.0.1:8080/ws")]
    pub(crate) url: String,
    /// Process of the server, if it runs on this machine; adds its CPU time and memory
    #[arg(long)]
    pub(crate) pid: Option<u32>,
    /// Reads from Stentor's /metrics how long the turns of its shards took
    #[arg(long)]
    pub(crate) metrics: bool,
}

impl ServerArgs {
    pub(crate) fn target(&self, global: &GlobalArgs) -> Result<LoadTarget, Error> {
        Ok(LoadTarget {
            endpoint: self.url.parse()?,
            url: self.url.clone(),
            server: self.pid.map(MeasuredProcess::new).transpose()?,
            metrics: self.metrics,
            quiet: global.quiet,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn a_load_has_its_own_arguments_and_the_general_ones() {
        let line = "stentor-bench echo -c 1000 -d 16 -s 1024 --seconds 2 --core 1 --json";
        let arguments = Arguments::parse_from(line.split(' '));
        assert!(arguments.global.json);
        assert_eq!(arguments.global.core, Some(1));
        let BenchCommand::Echo(echo) = arguments.command else {
            panic!("it is an echo");
        };
        let EchoLoad {
            connections,
            in_flight,
            bytes,
            ..
        } = echo.load;
        assert_eq!((connections, in_flight, bytes), (1_000, 16, 1_024));
        assert!((echo.timing.seconds - 2.0).abs() < 1e-9);
        assert!(Arguments::try_parse_from(["stentor-bench", "echo", "-c", "0"]).is_err());
    }
}
