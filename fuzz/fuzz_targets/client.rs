//! Runs `stentor_core::fuzzing::client`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_core::fuzzing::client(data));
