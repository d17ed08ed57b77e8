//! Runs `stentor_fuzz_bodies::api`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_fuzz_bodies::api(data));
