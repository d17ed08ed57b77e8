//! The conformance script against each server, and against the core's example that drives a shard.

mod program;
mod sockets;

use stentor_sim::conformance::{Application, cases, run};
use stentor_tests::Adapter;

use program::Program;
use sockets::SocketClients;

stentor_tests::for_each_adapter! {
    echo,
    rooms,
}

fn echo(adapter: Adapter) {
    conforms(Some(adapter), Application::Echo);
}

fn rooms(adapter: Adapter) {
    conforms(Some(adapter), Application::Rooms);
}

#[test]
fn echo_of_the_example() {
    conforms(None, Application::Echo);
}

#[test]
fn rooms_of_the_example() {
    conforms(None, Application::Rooms);
}

/// Runs the script against a server, or without an adapter against the example.
fn conforms(adapter: Option<Adapter>, application: Application) {
    for shards in [1, 4] {
        let program = Program::start(adapter, application, shards);
        for case in cases().filter(|case| case.application == application) {
            run(case, &mut SocketClients::new(program.address())).expect("conformance");
        }
    }
}
