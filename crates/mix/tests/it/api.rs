//! What users of a library expect of its types.

use czip_mix::{Alphabet, Mixer, Priors, PriorsError, Tree, Variant};

#[test]
fn types_can_cross_threads() {
    fn assert<T: Send + Sync + std::fmt::Debug>() {}
    assert::<Alphabet>();
    assert::<Mixer<'_>>();
    assert::<Priors>();
    assert::<Tree>();
    assert::<Variant>();
    fn assert_error<T: Send + Sync + std::error::Error + PartialEq + 'static>() {}
    assert_error::<PriorsError>();
}
