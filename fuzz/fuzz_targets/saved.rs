//! Runs `stentor_fuzz_bodies::saved`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_fuzz_bodies::saved(data));
