//! Patches are applied to what they were made for.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Pieces that occur in both texts, so that there is something to copy.
fn text(pieces: &'static [&'static str]) -> impl Strategy<Value = String> {
    vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat())
}

const PIECES: &[&str] = &[
    "a",
    "ж",
    "日本",
    "🦀",
    "{\"price\":",
    "The quick brown fox jumps over the lazy dog. ",
    "Съешь же ещё этих мягких французских булок. ",
    "0123456789",
];

proptest! {
    #[test]
    fn a_patch_makes_its_target(base: Vec<u8>, target: Vec<u8>) {
        let patch = create(&base, &target);
        prop_assert_eq!(apply(&base, &patch, target.len()), Ok(target));
    }

    #[test]
    fn a_patch_of_texts_is_a_text(base in text(PIECES), target in text(PIECES)) {
        let patch = create_text(&base, &target);
        let made = apply(base.as_bytes(), patch.as_bytes(), target.len());
        prop_assert_eq!(made, Ok(target.clone().into_bytes()));
        let bytes = create(base.as_bytes(), target.as_bytes());
        let made = apply(base.as_bytes(), &bytes, target.len());
        prop_assert_eq!(made, Ok(target.clone().into_bytes()));
        // An insertion, a length and a checksum at most.
        prop_assert!(patch.len() <= target.len() + 32);
    }

    #[test]
    fn any_bytes_are_a_patch_or_an_error(base: Vec<u8>, patch: Vec<u8>) {
        if let Ok(made) = apply(&base, &patch, 1_000) {
            prop_assert!(made.len() <= 1_000);
        }
    }
}

#[test]
fn patches_have_the_form_of_fossil() {
    assert_eq!(create_text("", ""), "0\n0;");
    assert_eq!(create_text("", "abcd"), "4\n4:abcd1XObD_;");
    let base = "The quick brown fox jumps over the lazy dog. ";
    assert_eq!(digits::checksum(b"\xFF\xFF\xFF\xFF\0\0\0\x02"), 1);
    assert_eq!(digits::checksum(b"\0\0\0\x01\x02"), 0x0200_0001);
    let patch = create_text(base, base);
    assert!(patch.starts_with("i\ni@0,"), "{patch}");
    let target = base.replace("brown", "red");
    let patch = create_text(base, &target);
    assert!(patch.starts_with("g\nA@0,3:redU@F,"), "{patch}");
}

#[test]
fn one_letter_of_a_text_is_a_short_patch() {
    let base = "Съешь же ещё этих мягких французских булок, да выпей чаю. ".repeat(20);
    for (at, _) in base.char_indices().step_by(37) {
        let mut target = base.clone();
        target.replace_range(
            at..=at + base[at..].chars().next().map_or(0, |c| c.len_utf8() - 1),
            "ю",
        );
        let patch = create_text(&base, &target);
        assert!(patch.len() < 40, "{at}: {patch}");
        let made = apply(base.as_bytes(), patch.as_bytes(), target.len());
        assert_eq!(made.as_deref(), Ok(target.as_bytes()));
    }
}

#[test]
fn what_moves_is_copied() {
    let lines: Vec<String> = (0..200)
        .map(|n| format!("line {n} of many lines\n"))
        .collect();
    let base = lines.concat();
    let target = [&lines[100..], &lines[..100]].concat().concat();
    assert!(create(base.as_bytes(), target.as_bytes()).len() < 100);
}

#[test]
fn wrong_patches_are_refused() {
    let base = b"0123456789";
    for (patch, error) in [
        ("", PatchError::Malformed),
        ("4", PatchError::Malformed),
        ("4\n", PatchError::Malformed),
        ("4\n4:abc", PatchError::Malformed),
        ("4\n4:abcd", PatchError::Malformed),
        ("4\n4:abcd1XObD_;x", PatchError::Malformed),
        ("4\n4?abcd1XObD_;", PatchError::Malformed),
        ("~~~~~~\n4:abcd1XObD_;", PatchError::Malformed),
        ("~~~\n4:abcd1XObD_;", PatchError::TooLong),
        ("3\n4:abcd1XObD_;", PatchError::WrongLength),
        ("5\n4:abcd1XObD_;", PatchError::WrongLength),
        ("4\n4:abce1XObD_;", PatchError::WrongChecksum),
        ("4\n4@7,1XObD_;", PatchError::OutsideOfBase),
        ("4\n4@~~~~,1XObD_;", PatchError::OutsideOfBase),
    ] {
        assert_eq!(apply(base, patch.as_bytes(), 100), Err(error), "{patch}");
    }
}
