//! Runs [`czip_fuzz::mixer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| czip_fuzz::mixer(data));
