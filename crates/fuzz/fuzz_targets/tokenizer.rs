//! Runs [`czip_fuzz::tokenizer`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| czip_fuzz::tokenizer(data));
