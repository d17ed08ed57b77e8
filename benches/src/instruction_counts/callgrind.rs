//! Owns the running of one case under valgrind, on both sides: what is started, and
//! what goes on there.

use std::io;
use std::process::{Command, ExitCode, Stdio};

/// A part that is counted.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// What one of them is.
    pub name: &'static str,
    /// How many of them there are in a round.
    pub of: usize,
    /// Makes ready, for rounds that are all alike.
    pub work: fn() -> Box<dyn FnMut()>,
}

/// Counts a case: instructions for one of what it has.
pub(super) fn run(case: &Case) -> io::Result<f64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .args(["--collect-atstart=no", "--toggle-collect=*counted_rounds*"])
        .arg(std::env::current_exe()?)
        .args([ASK, case.name])
        // What is on the stack before us moves it, and with it how memory is aligned.
        .env_clear()
        .stdin(Stdio::null())
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    let count = collected(&said).filter(|_| output.status.success());
    let count = count.ok_or_else(|| io::Error::other(format!("{}: {said}", case.name)))?;
    Ok(count as f64 / (ROUNDS * case.of) as f64)
}

/// The case that this process was started for, if it was.
pub(super) fn asked_for(arguments: &[String]) -> Option<&str> {
    match arguments {
        [_, ask, name] if ask == ASK => Some(name),
        _ => None,
    }
}

/// Does the work that is counted: what is done only once comes first.
pub(super) fn work(case: &Case) -> ExitCode {
    let mut work = (case.work)();
    for _ in 0..WARM_UP {
        work();
    }
    counted_rounds(&mut *work);
    ExitCode::SUCCESS
}

/// Known to valgrind by its name, so it has to stay a function.
#[inline(never)]
fn counted_rounds(work: &mut dyn FnMut()) {
    for _ in 0..ROUNDS {
        work();
    }
}

/// Off a line such as `==1== Collected : 4711`; none at all is none.
fn collected(said: &str) -> Option<u64> {
    let (_, count) = said.split_once("Collected : ")?;
    let count = count.split_whitespace().next()?.parse().ok()?;
    (count > 0).then_some(count)
}

const ASK: &str = "--work-for";
const WARM_UP: usize = 4;
/// Enough for what is done once in several.
const ROUNDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_is_what_valgrind_says_it_is() {
        let said = "==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(
            collected("==7== Collected : 0\n"),
            None,
            "there is no such function"
        );
        assert_eq!(collected("valgrind: no such file\n"), None);
    }
}
