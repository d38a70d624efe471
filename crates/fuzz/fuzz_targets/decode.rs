//! Runs [`czip_fuzz::decode`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| czip_fuzz::decode(data));
