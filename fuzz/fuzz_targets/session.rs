//! Runs `stentor_core::fuzzing::session`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_core::fuzzing::session(data));
