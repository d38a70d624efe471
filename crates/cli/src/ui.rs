//! What the program says to its user. It all goes to standard error: standard output is for data.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use crate::error::{Error, Failure};
use crate::exit::Exit;

/// The way to the user.
#[derive(Debug)]
pub(crate) struct Ui {
    program: &'static str,
    quiet: bool,
    verbose: bool,
}

impl Ui {
    /// The name that the program was called by, and how much it may say. Quiet wins over verbose.
    pub(crate) fn new(program: &'static str, quiet: bool, verbose: bool) -> Self {
        Self {
            program,
            quiet,
            verbose: verbose && !quiet,
        }
    }

    /// An error, shown even to those who want quiet.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.say(format_args!("{}: {failure}", self.program));
    }

    /// A warning.
    pub(crate) fn warning(&self, message: fmt::Arguments<'_>) {
        if !self.quiet {
            self.say(format_args!("{}: warning: {message}", self.program));
        }
    }

    /// Whether notes are seen: figures that no one sees need not be measured.
    #[cfg(feature = "import")]
    pub(crate) const fn shows_notes(&self) -> bool {
        !self.quiet
    }

    /// What was done.
    pub(crate) fn note(&self, message: impl fmt::Display) {
        if !self.quiet {
            self.say(format_args!("{message}"));
        }
    }

    /// Details, shown only on request.
    pub(crate) fn detail(&self, message: fmt::Arguments<'_>) {
        if self.verbose {
            self.say(message);
        }
    }

    /// Whether there is someone to look at a progress bar.
    pub(crate) fn shows_progress(&self) -> bool {
        !self.quiet && io::stderr().is_terminal()
    }

    /// Does something with each file. A failure is reported, and the other files are still processed; the exit code is
    /// that of the first failure.
    pub(crate) fn each<T>(
        &self,
        files: &[T],
        run: impl Fn(&T) -> Result<(), Failure>,
    ) -> Result<Exit, Failure> {
        let mut exit = Exit::Success;
        for file in files {
            match run(file) {
                Ok(()) => {}
                // There is no reader for whatever comes after.
                Err(failure) if matches!(failure.error, Error::ReaderGone) => break,
                Err(failure) => {
                    self.failure(&failure);
                    exit = exit.or(failure.error.exit());
                }
            }
        }
        Ok(exit)
    }

    fn say(&self, message: fmt::Arguments<'_>) {
        // Without standard error there is nowhere to say that it is missing.
        let _ = writeln!(io::stderr().lock(), "{message}");
    }
}
