//! The commands, each ready to run.

mod bench;
mod compress;
mod decompress;
mod group;
mod info;
mod train;
mod verify;

pub(crate) use bench::Bench;
pub(crate) use compress::Compress;
pub(crate) use decompress::Decompress;
pub(crate) use info::Info;
pub(crate) use train::{Train, checkpoint_of};
pub(crate) use verify::Verify;

use std::collections::HashSet;

use crate::Exit;
use crate::error::{Error, Failure};
use crate::identity::{Identities, Place, resolve};
use crate::input::Input;
use crate::job::Transfer;
use crate::models::ModelFiles;
use crate::output::Target;
use crate::ui::Ui;

/// Whether a text has come back as it was.
fn compare(restored: &[u8], text: &[u8]) -> Result<(), Error> {
    if restored == text {
        return Ok(());
    }
    let common = restored
        .iter()
        .zip(text)
        .take_while(|(restored, original)| restored == original);
    Err(Error::RoundTrip {
        offset: common.count(),
    })
}

/// Transfers that are safe to carry out.
struct Admitted<'t> {
    transfers: Vec<&'t Transfer>,
    /// All that is read.
    inputs: Identities,
    /// How the others have ended.
    exit: Exit,
}

/// Looks at all names before anything is written: no output may be an input, or that of two, and nothing may be in its way.
fn admit<'t>(transfers: &'t [Transfer], models: &ModelFiles, ui: &Ui) -> Admitted<'t> {
    let mut inputs: Identities = transfers.iter().map(|transfer| &transfer.source).collect();
    for path in models.paths() {
        inputs.add(&path);
    }
    let mut places = HashSet::new();
    let mut check = |transfer: &Transfer| {
        transfer.source.check_among(transfers.len())?;
        let is_file = transfer.target.check(&inputs, transfer.overwrite)?;
        match &transfer.target {
            Target::File(path)
                if is_file && Place::of(&resolve(path)).is_some_and(|place| !places.insert(place)) =>
            {
                Err(Error::SameOutput.of(&transfer.target))
            }
            _ => Ok(()),
        }
    };
    let mut admitted = Vec::with_capacity(transfers.len());
    let mut exit = Exit::Success;
    for transfer in transfers {
        match check(transfer) {
            Ok(()) => admitted.push(transfer),
            Err(failure) => {
                ui.failure(&failure);
                exit = exit.or(failure.error.exit());
            }
        }
    }
    Admitted {
        transfers: admitted,
        inputs,
        exit,
    }
}

/// That nobody reads standard output any more is no failure, and no reason to leave out what goes elsewhere.
fn unless_reader_is_gone(result: Result<(), Failure>) -> Result<(), Failure> {
    match result {
        Err(failure) if matches!(failure.error, Error::ReaderGone) => Ok(()),
        result => result,
    }
}

impl Transfer {
    /// An error of the library, in the name of the file that it concerns.
    fn failure(&self, error: impl Into<Error>, input: &Input) -> Failure {
        match error.into() {
            Error::Czip(czip::Error::Io(error)) if input.has_failed() => Error::Read(error).of(&self.source),
            Error::Czip(czip::Error::Io(error)) => self.target.failed(error),
            // No file is at fault.
            Error::NoModel => Error::NoModel.into(),
            error => error.of(&self.source),
        }
    }
}
