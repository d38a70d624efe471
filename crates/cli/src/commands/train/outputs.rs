//! What a training run writes: the model, its curve, and until that is done a checkpoint.
//!
//! Training takes long, so everything is checked first. The names of files beside the model are the model's whole
//! name and an ending.

use std::collections::HashSet;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use czip_train::checkpoint::{self, Lock};
use czip_train::corpus;

use crate::error::{Error, Failure};
use crate::identity::{Identities, Place};
use crate::interrupt::Unfinished;
use crate::output::Target;
use crate::paths::resolve;

/// The checkpoint of a run that writes this model.
pub(crate) fn checkpoint_of(model: &Path) -> PathBuf {
    beside(model, "checkpoint")
}

/// `m.czm.csv` for `m.czm`.
fn beside(model: &Path, ending: &str) -> PathBuf {
    let mut name = model.as_os_str().to_owned();
    name.push(".");
    name.push(ending);
    name.into()
}

/// Where a run writes to. Nothing is in the way there, and no other run writes there.
#[derive(Debug)]
pub(super) struct Outputs {
    pub(super) model: PathBuf,
    /// The curve as a table.
    pub(super) table: PathBuf,
    /// The curve as a picture.
    pub(super) picture: PathBuf,
    pub(super) checkpoint: PathBuf,
    inputs: Identities,
    overwrite: bool,
    // Held until the outputs are written.
    _held: Held,
}

impl Outputs {
    /// Checks that a run that reads these inputs may write a model and the files beside it.
    pub(super) fn check(
        model: &Path,
        inputs: Identities,
        overwrite: bool,
        resume: bool,
    ) -> Result<Self, Failure> {
        let (table, picture) = (beside(model, "csv"), beside(model, "svg"));
        let checkpoint = checkpoint_of(model);
        let mut places = HashSet::new();
        for path in paths(model) {
            // Links may lead from one to another.
            let is_new = Place::of(&resolve(&path)).is_none_or(|place| places.insert(place));
            // Reported first: what can't be overwritten in any case.
            let target = Target::from(path);
            if !target.check(&inputs, true)? {
                return Err(Error::ModelToStream.of(&target));
            }
            if !is_new {
                return Err(Error::SameOutput.of(&target));
            }
        }
        // Whoever returns to a run must hear of its checkpoint first: other files that exist are usually of that run.
        match checkpoint.exists() {
            true if !resume && !overwrite => return Err(Error::Interrupted.of(checkpoint.display())),
            false if resume => return Err(Error::NothingToResume.of(checkpoint.display())),
            _ => {}
        }
        for path in [model, &table, &picture] {
            Target::File(path.to_owned()).check(&inputs, overwrite)?;
        }
        for path in [checkpoint::temporary(&checkpoint), Lock::path_for(&checkpoint)] {
            if !overwrite && !is_left_over(&path) {
                return Err(Error::Exists.of(path.display()));
            }
        }
        let held = Held::take(&checkpoint)?;
        // The only way to know that files can be made there is to make one.
        let target = Target::File(model.to_owned());
        drop(target.create(&inputs, None, overwrite)?);
        Ok(Self {
            model: model.to_owned(),
            table,
            picture,
            checkpoint,
            inputs,
            overwrite,
            _held: held,
        })
    }

    /// Writes one of the outputs.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
        let target = Target::File(path.to_owned());
        let mut output = target.create(&self.inputs, None, self.overwrite)?;
        output
            .write_all(bytes)
            .map_err(Error::Write)
            .and_then(|()| output.commit().map(drop))
            .map_err(|error| error.of(&target))
    }
}

/// All that a run may write.
pub(super) fn paths(model: &Path) -> [PathBuf; 6] {
    let checkpoint = checkpoint_of(model);
    [
        model.to_owned(),
        beside(model, "csv"),
        beside(model, "svg"),
        checkpoint::temporary(&checkpoint),
        Lock::path_for(&checkpoint),
        checkpoint,
    ]
}

/// Whether a file is not there, or what a killed run leaves: nothing, or part of a checkpoint.
fn is_left_over(path: &Path) -> bool {
    match fs::metadata(path) {
        Ok(metadata) => metadata.len() == 0 || corpus::is_made_by_czip(path).unwrap_or(false),
        Err(_) => true,
    }
}

/// The right to write there, held by a lock file. While it is held, a signal that ends the process removes the
/// lock file and any checkpoint that is half written.
#[derive(Debug)]
struct Held {
    // Dropped in this order: whoever takes the lock next may write the checkpoint.
    _checkpoint: Unfinished<()>,
    _lock: Unfinished<Lock>,
}

impl Held {
    fn take(checkpoint: &Path) -> Result<Self, Failure> {
        let lock = Unfinished::create(|| Lock::take(checkpoint), |lock| lock.path().to_owned());
        Ok(Self {
            _lock: lock.map_err(|error| Error::Training(Box::new(error.into())))?,
            _checkpoint: Unfinished::at(checkpoint::temporary(checkpoint)),
        })
    }
}
