//! Replay of the corpora in `fuzz/corpus`, one directory a target.

use core::panic::AssertUnwindSafe;
use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use stentor_fuzz_bodies::TARGETS;

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../corpus")
}

#[test]
fn every_target_takes_its_corpus() {
    for (target, body) in TARGETS {
        let mut files: Vec<PathBuf> = fs::read_dir(corpora().join(target))
            .expect("every target has a corpus")
            .map(|entry| entry.expect("readable").path())
            .collect();
        files.sort();
        assert!(files.len() >= 5, "{target} has hardly a corpus");
        for file in files {
            let data = fs::read(&file).expect("readable");
            let done = catch_unwind(AssertUnwindSafe(|| body(&data)));
            assert!(done.is_ok(), "{target} fails on {}", file.display());
        }
    }
}

#[test]
fn every_target_takes_nothing_and_the_pieces_of_its_corpus() {
    for (target, body) in TARGETS {
        body(&[]);
        for entry in fs::read_dir(corpora().join(target)).expect("a corpus") {
            let data = fs::read(entry.expect("readable").path()).expect("readable");
            // Neighbours of what is known: cut short, and with a bit turned.
            for part in 1..8 {
                let end = data.len() * part / 8;
                body(&data[..end]);
                let mut turned = data.clone();
                if let Some(byte) = turned.get_mut(end) {
                    *byte ^= 1 << part;
                }
                body(&turned);
            }
        }
    }
}
