//! Owns what is kept of a comparison, as JSON: the machine, and the figures of every
//! pass, so that page and chart can be made of it again.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::figures::Passes;
use crate::fault::Fault;
use crate::measure::Identity;

/// Everything that was measured, and on what.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) date: String,
    pub(super) commit: String,
    pub(super) machine: Identity,
    /// The peers that were built for it, with their versions.
    pub(super) peers: Vec<String>,
    pub(super) passes: usize,
    pub(super) seconds: f64,
    /// The limit comes first.
    pub(super) contenders: Vec<String>,
    pub(super) tables: Vec<Table>,
}

/// Loads that are told of together.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Table {
    pub(super) title: String,
    pub(super) columns: Vec<Column>,
}

/// What the contenders did under one load.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Column {
    pub(super) title: String,
    pub(super) in_chart: bool,
    /// By contender.
    pub(super) of: Vec<Passes>,
}

impl Record {
    pub(super) fn read(path: &Path) -> Result<Self, Fault> {
        let failed = Fault::system(format!("{}", path.display()));
        let text = fs::read_to_string(path).map_err(failed)?;
        serde_json::from_str(&text)
            .map_err(|error| Fault::Argument(format!("{}: {error}", path.display())))
    }

    pub(super) fn write(&self, path: &Path) -> Result<(), Fault> {
        let text =
            serde_json::to_string(self).map_err(|error| Fault::Program(error.to_string()))?;
        let failed = Fault::system(format!("{}", path.display()));
        fs::write(path, text + "\n").map_err(failed)
    }
}
