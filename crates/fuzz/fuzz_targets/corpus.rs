//! Runs [`czip_fuzz::corpus`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| czip_fuzz::corpus(data));
