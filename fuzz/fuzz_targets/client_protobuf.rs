//! Runs `stentor_fuzz_bodies::client_protobuf`.
#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| stentor_fuzz_bodies::client_protobuf(data));
