//! Runs `stentor_fuzz_bodies::proxy`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_fuzz_bodies::proxy(data));
