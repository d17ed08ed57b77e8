//! Stored instruction counts, the tools they depend on, and the comparison with new counts.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// Instructions by case.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct InstructionCounts {
    #[serde(rename = "made")]
    pub(super) toolchain: Toolchain,
    pub(super) counts: BTreeMap<String, f64>,
}

/// What counts depend on besides the code.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Toolchain {
    rustc: String,
    libc: String,
    valgrind: String,
    /// The only CPU extension that the code detects at run time and valgrind supports.
    avx2: bool,
}

/// The difference to a stored count, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Change {
    New,
    None(f64),
    Fewer(f64),
    More(f64),
}

impl Toolchain {
    /// Returns the tools of this machine, or `None` without valgrind.
    pub(super) fn here() -> io::Result<Option<Self>> {
        let Some(valgrind) = version_of("valgrind")? else {
            return Ok(None);
        };
        let cpu = fs::read_to_string("/proc/cpuinfo")?;
        Ok(Some(Self {
            rustc: version_of("rustc")?.unwrap_or_default(),
            libc: version_of("ldd")?.unwrap_or_default(),
            valgrind,
            avx2: cpu.split_whitespace().any(|flag| flag == "avx2"),
        }))
    }
}

impl fmt::Display for Toolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let avx2 = if self.avx2 { "AVX2" } else { "no AVX2" };
        write!(
            f,
            "{}, {}, {}, {avx2}",
            self.rustc, self.libc, self.valgrind
        )
    }
}

impl InstructionCounts {
    pub(super) fn new(toolchain: Toolchain) -> Self {
        Self {
            toolchain,
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn read(path: &Path) -> io::Result<Self> {
        Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
    }

    pub(super) fn write(&self, path: &Path) -> io::Result<()> {
        fs::write(path, serde_json::to_string_pretty(self)? + "\n")
    }

    pub(super) fn change(&self, name: &str, count: f64) -> Change {
        let Some(stored) = self.counts.get(name) else {
            return Change::New;
        };
        match (count / stored - 1.0) * 100.0 {
            percent if percent > TOLERANCE => Change::More(percent),
            percent if percent < -TOLERANCE => Change::Fewer(percent),
            percent => Change::None(percent),
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::New => f.write_str("  new: keep it with --record"),
            Self::None(percent) => write!(f, "{percent:>+6.1} %"),
            Self::Fewer(percent) => write!(f, "{percent:>+6.1} %  fewer: keep it with --record"),
            Self::More(percent) => write!(f, "{percent:>+6.1} %  MORE"),
        }
    }
}

/// Returns the first line of a program's version, or `None` if there is no such program.
fn version_of(program: &str) -> io::Result<Option<String>> {
    let output = match Command::new(program).arg("--version").output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output?,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().next().map(String::from))
}

/// Percent by which counts of the same code may differ.
const TOLERANCE: f64 = 3.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_larger_than_the_tolerance() {
        let toolchain = Toolchain {
            rustc: "rustc 1".into(),
            libc: "ldd 1".into(),
            valgrind: "valgrind-1".into(),
            avx2: true,
        };
        let mut stored = InstructionCounts::new(toolchain);
        stored.counts.insert("push".into(), 200.0);
        let change = |count| stored.change("push", count);
        assert!(matches!(change(207.0), Change::More(_)));
        assert!(matches!(change(205.0), Change::None(_)));
        assert!(matches!(change(195.0), Change::None(_)));
        assert!(matches!(change(193.0), Change::Fewer(_)));
        assert_eq!(stored.change("pop", 200.0), Change::New);
        assert_eq!(change(250.0).to_string(), " +25.0 %  MORE");
    }
}
