//! Runs `stentor_fuzz_bodies::msgpack`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_fuzz_bodies::msgpack(data));
