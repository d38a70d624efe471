//! Which transfers may be carried out: all names are looked at before anything is written.

use std::collections::HashSet;

use crate::error::Error;
use crate::exit::Exit;
use crate::identity::{Identities, Place};
use crate::models::ModelFiles;
use crate::output::Target;
use crate::paths::resolve;
use crate::selection::Found;
use crate::transfer::Transfer;
use crate::ui::Ui;

/// Transfers that are safe to carry out.
pub(crate) struct Admitted<'t> {
    pub(crate) transfers: Vec<&'t Transfer>,
    /// All that is read.
    pub(crate) inputs: Identities,
    /// How the others have ended, if not well.
    pub(crate) exit: Exit,
}

/// Looks at all names before anything is written: no output may be an input, or that of two, and nothing may be in its way.
pub(crate) fn admit<'t>(found: &'t Found, models: &ModelFiles, ui: &Ui) -> Admitted<'t> {
    let transfers = &found.transfers;
    let mut inputs = found.inputs();
    for path in models.paths() {
        inputs.add(&path);
    }
    let mut places = HashSet::new();
    let mut check = |transfer: &Transfer| {
        transfer.source.check_among(transfers.len())?;
        transfer.make_folders()?;
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
    let mut exit = found.exit;
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
