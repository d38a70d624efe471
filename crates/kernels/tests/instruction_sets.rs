//! The instruction sets that the machine is known to have are found, and those that it lacks are not.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]
#![allow(clippy::print_stderr, reason = "what the other tests run with should show")]

use czip_kernels::{InstructionSet, Kernels};

/// Whoever knows the machine names its best instruction set in this variable; without it that is not tested.
const VARIABLE: &str = "CZIP_EXPECT_CPU";

#[test]
fn the_expected_instruction_set_is_the_best() {
    let available: Vec<_> = Kernels::available()
        .map(|kernels| kernels.instruction_set().name())
        .collect();
    eprintln!("instruction sets of this machine: {}", available.join(", "));
    let Ok(expected) = std::env::var(VARIABLE) else {
        eprintln!("{VARIABLE} is not set");
        return;
    };
    let best = Kernels::available().next_back().unwrap();
    assert_eq!(best.instruction_set().name(), expected);
}

#[test]
fn detection_finds_the_best_below_the_ceiling() {
    #[cfg(feature = "ceiling-variable")]
    let ceiling = Kernels::ceiling().unwrap();
    #[cfg(not(feature = "ceiling-variable"))]
    let ceiling = None;
    let highest = *InstructionSet::ALL.last().unwrap();
    assert_eq!(Kernels::detect(), Kernels::at_most(ceiling.unwrap_or(highest)));
}

#[test]
fn a_ceiling_is_not_exceeded() {
    let best = Kernels::available().next_back().unwrap();
    for &ceiling in InstructionSet::ALL {
        let below = Kernels::at_most(ceiling);
        assert!(below.instruction_set() <= ceiling);
        match Kernels::at(ceiling) {
            Some(kernels) => assert_eq!(below, kernels),
            None => assert!(Kernels::available().all(|kernels| {
                kernels.instruction_set() > ceiling || kernels.instruction_set() <= below.instruction_set()
            })),
        }
    }
    assert_eq!(Kernels::at_most(best.instruction_set()), best);
    assert_eq!(
        Kernels::at_most(InstructionSet::Scalar).instruction_set(),
        InstructionSet::Scalar
    );
}

#[test]
fn names_are_read_back() {
    for &instruction_set in InstructionSet::ALL {
        assert_eq!(instruction_set.name().parse(), Ok(instruction_set));
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_known_ones() {
    let known: Vec<&str> = InstructionSet::ALL.iter().map(|known| known.name()).collect();
    let message = format!(
        "unknown instruction set `AVX2`; this build knows {}",
        known.join(", ")
    );
    assert_eq!("AVX2".parse::<InstructionSet>().unwrap_err().to_string(), message);
}
