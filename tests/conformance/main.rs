//! The conformance script against a server that runs as a process of its own:
//! the binary of the package that this is built for or, in the core, which has
//! none, its example that drives a shard.

mod program;
mod sockets;

use program::Program;
use sockets::Sockets;
use stentor_sim::conformance::{Application, cases, run};

fn conforms(application: Application) {
    for shards in [1, 4] {
        let program = Program::start(application, shards);
        for case in cases().filter(|case| case.application == application) {
            run(case, &mut Sockets::new(program.address())).expect("conformance");
        }
    }
}

#[test]
fn echo() {
    conforms(Application::Echo);
}

#[test]
fn rooms() {
    conforms(Application::Rooms);
}
