//! What the program says to its user. It all goes to standard error: standard output is for data.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use clap::builder::styling::{AnsiColor, Style};

use crate::error::{Error, Failure};
use crate::exit::Exit;

/// The way to the user.
#[derive(Debug)]
pub(crate) struct Ui {
    program: &'static str,
    quiet: u8,
    verbose: u8,
    /// Whether names of the program are coloured before errors and warnings.
    colored: bool,
    /// Whether standard output is for the data of the user, and so perhaps for a pager or a pipe.
    data_on_stdout: AtomicBool,
}

impl Ui {
    /// The name that the program was called by, and how often it was told to be quiet and verbose. Quiet wins.
    pub(crate) fn new(program: &'static str, quiet: u8, verbose: u8, colored: bool) -> Self {
        Self {
            program,
            quiet,
            verbose: if quiet > 0 { 0 } else { verbose },
            colored,
            data_on_stdout: AtomicBool::new(false),
        }
    }

    /// From here on only errors and warnings are shown, unless details are wanted: the user may be reading what goes to
    /// standard output.
    pub(crate) fn leave_stdout_to_data(&self) {
        self.data_on_stdout.store(true, Ordering::Relaxed);
    }

    /// An error, shown even to those who want quiet, unless they have said so twice.
    pub(crate) fn failure(&self, failure: &Failure) {
        if self.quiet < 2 {
            self.say(format_args!("{} {failure}", self.label(AnsiColor::Red)));
        }
    }

    /// `czip:`, in this colour if there are colours.
    fn label(&self, color: AnsiColor) -> impl fmt::Display {
        let style = if self.colored {
            color.on_default().bold()
        } else {
            Style::new()
        };
        format!("{style}{}:{style:#}", self.program)
    }

    /// A warning.
    pub(crate) fn warning(&self, message: fmt::Arguments<'_>) {
        if self.quiet == 0 {
            self.say(format_args!(
                "{} warning: {message}",
                self.label(AnsiColor::Yellow)
            ));
        }
    }

    /// Whether notes are seen: figures that no one sees need not be measured.
    pub(crate) fn shows_notes(&self) -> bool {
        self.quiet == 0 && (self.verbose > 0 || !self.data_on_stdout.load(Ordering::Relaxed))
    }

    /// What was done.
    pub(crate) fn note(&self, message: impl fmt::Display) {
        if self.shows_notes() {
            self.say(format_args!("{message}"));
        }
    }

    /// Details, shown only on request.
    pub(crate) fn detail(&self, message: fmt::Arguments<'_>) {
        if self.is_verbose() {
            self.say(message);
        }
    }

    /// Whether details are shown.
    pub(crate) const fn is_verbose(&self) -> bool {
        self.verbose > 0
    }

    /// Whether there is someone to look at a progress bar.
    pub(crate) fn shows_progress(&self) -> bool {
        self.shows_notes() && io::stderr().is_terminal()
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
