//! Runs [`czip_fuzz::container`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| czip_fuzz::container(data));
