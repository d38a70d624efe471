//! Runs [`czip_fuzz::model`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| czip_fuzz::model(data));
