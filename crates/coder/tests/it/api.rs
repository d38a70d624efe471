//! What users of a library expect of its types.

use czip_coder::{binary, v1};

#[test]
fn types_can_cross_threads() {
    fn assert<T: Send + Sync + Clone + std::fmt::Debug>() {}
    assert::<v1::Encoder>();
    assert::<v1::Decoder<'_>>();
    assert::<binary::Encoder>();
    assert::<binary::Decoder<'_>>();
    fn assert_error<T: Send + Sync + std::error::Error + PartialEq + 'static>() {}
    assert_error::<v1::DecodeError>();
    assert_error::<binary::DecodeError>();
}
