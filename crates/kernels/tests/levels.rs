//! The levels that the machine is known to have are found, and those that it lacks are not.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "what the other tests run at should show")]

use czip_kernels::Kernels;

/// Whoever knows the machine names its best level in this variable; nothing is tested without it.
const VARIABLE: &str = "CZIP_EXPECT_LEVEL";

#[test]
fn the_expected_level_is_the_best() {
    let levels: Vec<_> = Kernels::available()
        .map(|kernels| kernels.instruction_set().name())
        .collect();
    eprintln!("levels of this machine: {}", levels.join(", "));
    let Ok(expected) = std::env::var(VARIABLE) else {
        eprintln!("{VARIABLE} is not set");
        return;
    };
    let best = Kernels::available().next_back().unwrap();
    assert_eq!(best.instruction_set().name(), expected);
    if std::env::var_os(Kernels::LEVEL_VARIABLE).is_none() {
        assert_eq!(Kernels::detect(), best);
    }
}
