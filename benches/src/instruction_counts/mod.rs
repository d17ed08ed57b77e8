//! Instruction counts: a benchmark that runs itself under valgrind, once for each case, and
//! compares with stored counts. Other load on the machine does not change them. Counts with another
//! compiler or C library are shown, and not compared.

mod callgrind;
mod counts;

use std::io;
use std::path::Path;
use std::process::ExitCode;

pub use callgrind::Case;
use counts::{Change, InstructionCounts, Toolchain};

/// Runs such a benchmark as its `main`. `--record` stores the counts.
pub fn count(baseline: &Path, cases: &[Case]) -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    if let Some(name) = callgrind::asked_for(&arguments) {
        return match cases.iter().find(|case| case.name == name) {
            Some(case) => callgrind::work(case),
            None => ExitCode::FAILURE,
        };
    }
    if !has("--bench") {
        println!("nothing is counted: only `cargo bench` builds what would run");
        return ExitCode::SUCCESS;
    }
    match run(baseline, cases, has("--record")) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("instructions: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Returns whether no case takes more instructions than stored.
fn run(baseline: &Path, cases: &[Case], is_to_record: bool) -> io::Result<bool> {
    let Some(toolchain) = Toolchain::here()? else {
        println!("nothing is counted: there is no valgrind (apt-get install valgrind)");
        return Ok(true);
    };
    let then = match is_to_record {
        true => None,
        false => Some(InstructionCounts::read(baseline)?),
    };
    let (then, other) = match then {
        Some(then) if then.toolchain == toolchain => (Some(then), None),
        Some(then) => (None, Some(then.toolchain)),
        None => (None, None),
    };
    let mut now = InstructionCounts::new(toolchain);
    let mut is_well = true;
    for case in cases {
        let count = callgrind::run(case)?;
        now.counts.insert(case.name.into(), count);
        let change = then.as_ref().map(|then| then.change(case.name, count));
        is_well &= !matches!(change, Some(Change::More(_)));
        let change = change.map_or_else(String::new, |change| change.to_string());
        println!("{:<48} {count:>12.1} {change}", case.name);
    }
    if let Some(other) = other {
        println!(
            "not compared: recorded with {other}, counted with {}",
            now.toolchain
        );
    }
    if is_to_record {
        now.write(baseline)?;
        println!("recorded in {}", baseline.display());
    }
    Ok(is_well)
}
