//! Choice of the server under test, and where the servers differ by their nature.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// A server under test, by the adapter that drives it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Adapter {
    /// `stentor`, on tokio.
    Tokio,
    /// `stentor-std`, on blocking threads.
    Threads,
}

impl Adapter {
    /// Returns the command that runs the server, with no setting from the environment of the test.
    pub fn command(self) -> Command {
        let mut command = Command::new(program(match self {
            Self::Tokio => "stentor-under-test",
            Self::Threads => "stentor-std-under-test",
        }));
        for (key, _) in env::vars_os() {
            if key.to_string_lossy().starts_with("STENTOR_") {
                command.env_remove(key);
            }
        }
        command
    }

    /// Returns the number of threads that a connection has to itself.
    pub const fn connection_threads(self) -> usize {
        match self {
            Self::Tokio => 0,
            Self::Threads => 2,
        }
    }

    /// Returns whether each shard needs descriptors of its own, and can fail to get them.
    pub const fn shards_need_descriptors(self) -> bool {
        match self {
            Self::Tokio => true,
            Self::Threads => false, // a lock and a thread
        }
    }

    /// Returns the most bytes of memory that an idle connection in a room may take, in a build for
    /// tests.
    pub const fn idle_memory(self) -> usize {
        match self {
            Self::Tokio => 1 << 10,
            Self::Threads => 64 << 10,
        }
    }
}

/// Returns the path of a program of this package.
///
/// Cargo builds the programs of a package before its tests, and puts them a folder above these:
/// `target/debug/NAME` and `target/debug/deps/TEST-HASH`.
///
/// # Panics
/// If the caller is no test of this package.
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a path");
    let folder = test.ancestors().nth(2).expect("target/PROFILE/deps/TEST");
    let program = folder.join(name);
    assert!(program.exists(), "{} does not exist", program.display());
    program
}

/// Runs an asynchronous test to its end.
///
/// # Panics
/// If the test does.
pub fn block_on(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("a runtime").block_on(test);
}

/// Defines two tests for each of these functions, which take an [`Adapter`]: one in a module
/// `on_tokio`, one in a module `on_threads`. Behind `async` are asynchronous functions.
#[macro_export]
macro_rules! for_each_adapter {
    ($($name:ident),* $(,)?) => {
        $crate::for_each_adapter! { $($name),* ; async }
    };
    (async $($future:ident),* $(,)?) => {
        $crate::for_each_adapter! { ; async $($future),* }
    };
    ($($name:ident),* $(,)? ; async $($future:ident),* $(,)?) => {
        mod on_tokio {
            $crate::for_each_adapter! { @ Tokio $($name),* ; $($future),* }
        }
        mod on_threads {
            $crate::for_each_adapter! { @ Threads $($name),* ; $($future),* }
        }
    };
    (@ $adapter:ident $($name:ident),* ; $($future:ident),*) => {
        $(
            #[test]
            fn $name() {
                super::$name($crate::Adapter::$adapter);
            }
        )*
        $(
            #[test]
            fn $future() {
                $crate::block_on(super::$future($crate::Adapter::$adapter));
            }
        )*
    };
}
