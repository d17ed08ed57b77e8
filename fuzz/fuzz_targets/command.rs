//! Runs `stentor_fuzz_bodies::command`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_fuzz_bodies::command(data));
