//! Runs `stentor_fuzz_bodies::channels`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_fuzz_bodies::channels(data));
