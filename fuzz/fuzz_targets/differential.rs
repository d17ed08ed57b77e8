//! Runs `stentor_core::fuzzing::differential`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_core::fuzzing::differential(data));
