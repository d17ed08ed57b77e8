//! Callgrind runs: the parent process starts itself under valgrind, and the child process runs the
//! case.

use std::io;
use std::process::{Command, ExitCode, Stdio};

/// Work whose instructions are counted.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// The name of the case, with the unit of its count.
    pub name: &'static str,
    /// Units in a round.
    pub of: usize,
    /// Creates the function that does one round. All rounds are equal.
    pub work: fn() -> Box<dyn FnMut()>,
}

/// Counts a case. Returns instructions per unit.
pub(super) fn run(case: &Case) -> io::Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*counted_rounds*"])
        .arg(std::env::current_exe()?)
        .args([ASK, case.name])
        // The environment is on the stack, and would change the alignment of everything above it.
        .env_clear()
        .stdin(Stdio::null())
        .output()?;
    let output_text = String::from_utf8_lossy(&output.stderr);
    let count = collected(&output_text).filter(|_| output.status.success());
    let count = count.ok_or_else(|| io::Error::other(format!("{}: {output_text}", case.name)))?;
    Ok(count as f64 / (ROUNDS * case.of) as f64)
}

/// Returns the case that this process was started for, if there is one.
pub(super) fn asked_for(arguments: &[String]) -> Option<&str> {
    match arguments {
        [_, ask, name] if ask == ASK => Some(name),
        _ => None,
    }
}

/// Runs a case. The first rounds are not counted, because they may initialize something.
pub(super) fn work(case: &Case) -> ExitCode {
    let mut work = (case.work)();
    for _ in 0..WARM_UP {
        work();
    }
    counted_rounds(&mut *work);
    ExitCode::SUCCESS
}

/// Valgrind finds this function by its name, so it must not be inlined.
#[inline(never)]
fn counted_rounds(work: &mut dyn FnMut()) {
    for _ in 0..ROUNDS {
        work();
    }
}

/// Parses a line such as `==1== Collected : 4711`. Returns `None` for 0, which means that the
/// function was not found.
fn collected(output_text: &str) -> Option<u64> {
    let (_, count) = output_text.split_once("Collected : ")?;
    let count = count.split_whitespace().next()?.parse().ok()?;
    (count > 0).then_some(count)
}

const ASK: &str = "--work-for";
const WARM_UP: usize = 4;
/// Enough for work that is not done in every round.
const ROUNDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_parsed_from_the_output() {
        let output_text = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(collected(output_text), Some(123_456));
        assert_eq!(
            collected("==7== Collected : 0\n"),
            None,
            "there is no such function"
        );
        assert_eq!(collected("valgrind: no such file\n"), None);
    }
}
