//! Runs [`czip_fuzz::seek`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| czip_fuzz::seek(data));
