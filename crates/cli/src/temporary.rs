//! Temporary files beside outputs, and those that killed runs have left behind.
//!
//! A run holds a lock on each of its temporary files. The system lets go of it when the process is gone, in whatever way,
//! and on whichever machine or in whichever container it ran. So a file with such a name that can be locked is stale.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use tempfile::{NamedTempFile, PersistError};

use crate::identity::{Identities, Identity};
use crate::interrupt::Unfinished;

const PREFIX: &str = ".czip-";
const SUFFIX: &str = ".tmp";
/// Letters and digits between them, which `tempfile` chooses.
const RANDOM_LEN: usize = 6;

/// A file that is removed when it is dropped, or when a signal ends the process, unless it has been given its name.
#[derive(Debug)]
pub(crate) struct Temporary(Unfinished<NamedTempFile>);

impl Temporary {
    /// Makes one in a folder, and removes stale ones there that are not `inputs`.
    ///
    /// Only its owner may read it, unless it is to be `public`.
    pub(crate) fn new(folder: &Path, inputs: &Identities, public: bool) -> io::Result<Self> {
        remove_stale_once(folder, inputs);
        Unfinished::create(|| create(folder, public), |file| file.path().to_owned()).map(Self)
    }

    pub(crate) fn file(&self) -> &File {
        self.0.get().as_file()
    }

    /// Gives it its name atomically; replaces an existing file only if told to.
    pub(crate) fn persist(self, path: &Path, overwrite: bool) -> io::Result<()> {
        let persisted = self.0.finish(|file| {
            if overwrite {
                file.persist(path)
            } else {
                persist_new(file, path)
            }
        });
        persisted.map(drop).map_err(|failed| failed.error)
    }
}

/// Gives a file a name that no file has.
fn persist_new(file: NamedTempFile, path: &Path) -> Result<File, PersistError> {
    match file.persist_noclobber(path) {
        Err(failed) if failed.error.kind() != io::ErrorKind::AlreadyExists => {
            persist_over_nothing(failed.file, path)
        }
        persisted => persisted,
    }
}

/// The same where the file system can neither rename to a free name only nor link: an empty file takes the name first.
fn persist_over_nothing(file: NamedTempFile, path: &Path) -> Result<File, PersistError> {
    if let Err(error) = File::options().write(true).create_new(true).open(path) {
        return Err(PersistError { error, file });
    }
    file.persist(path).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

fn create(folder: &Path, public: bool) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM_LEN);
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        // The system takes the user's mask from this.
        options.mode(if public { 0o666 } else { 0o600 });
    }
    #[cfg(not(unix))]
    let _ = public;
    loop {
        // Unlike those of `tempfile_in`, its errors don't name the file, which would be no news to the user.
        let file = builder.make_in(folder, |path| options.open(path))?;
        match file.as_file().try_lock() {
            // Another run may have taken it for a stale one, and removed it, before it was locked.
            Ok(()) if Identity::of(file.path()).is_none() => {}
            Err(TryLockError::WouldBlock) => {}
            // Some file systems have no locks. Then no other run can lock it either.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Removes the stale temporary files of a folder, if that has not been done. A failure to do so is no failure of
/// whatever is to be written there.
fn remove_stale_once(folder: &Path, inputs: &Identities) {
    static DONE: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());
    let mut done = DONE.lock().unwrap_or_else(PoisonError::into_inner);
    if done.insert(folder.to_owned()) {
        remove_stale(folder, inputs);
    }
}

/// Not if it is read from, as what a killed run has left may be, to recover it.
fn remove_stale(folder: &Path, inputs: &Identities) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        // Anything but a file is not ours, and opening it might block.
        if !is_name(&entry.file_name()) || !entry.file_type().is_ok_and(|kind| kind.is_file()) {
            continue;
        }
        if inputs.contains(&entry.path()) {
            continue;
        }
        if let Ok(file) = File::open(entry.path())
            && file.try_lock().is_ok()
        {
            // The lock is held meanwhile.
            let _ = fs::remove_file(entry.path());
        }
    }
}

/// Whether temporary files have such a name.
pub(crate) fn is_name(name: &OsStr) -> bool {
    let random = name
        .to_str()
        .and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
    random.is_some_and(|random| {
        random.len() == RANDOM_LEN && random.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn stale_files_are_removed_and_live_ones_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        let live = create(folder, false).unwrap();
        assert!(is_name(live.path().file_name().unwrap()));
        let live_name = live.path().file_name().unwrap().to_str().unwrap().to_owned();
        let others = [
            ".czip-.tmp",
            ".czip-abcde.tmp",
            ".czip-abcdefg.tmp",
            ".czip-abc-ef.tmp",
            "czip-abcdef.tmp",
            ".czip-abcdef.txt",
        ];
        let input = ".czip-000000.tmp";
        for name in others
            .iter()
            .chain(&[input, ".czip-abcdef.tmp", ".czip-012XYZ.tmp"])
        {
            fs::write(folder.join(name), "x").unwrap();
        }
        fs::create_dir(folder.join(".czip-folder.tmp")).unwrap();
        remove_stale(folder, &[folder.join(input)].into_iter().collect());
        let mut expected: Vec<String> = others.iter().map(|&name| name.to_owned()).collect();
        expected.extend([live_name, ".czip-folder.tmp".to_owned(), input.to_owned()]);
        expected.sort();
        assert_eq!(names(folder), expected);
    }

    #[test]
    fn folder_is_looked_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let stale = folder.path().join(".czip-abcdef.tmp");
        fs::write(&stale, "x").unwrap();
        let inputs = Identities::default();
        drop(Temporary::new(folder.path(), &inputs, false).unwrap());
        assert_eq!(names(folder.path()), [""; 0]);
        fs::write(&stale, "x").unwrap();
        drop(Temporary::new(folder.path(), &inputs, false).unwrap());
        assert_eq!(names(folder.path()), [".czip-abcdef.tmp"]);
    }
    #[test]
    fn name_is_taken_only_if_it_is_free() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        for persist in [persist_new, persist_over_nothing] {
            let path = folder.join("out");
            let mut file = create(folder, false).unwrap();
            io::Write::write_all(&mut file, b"mine").unwrap();
            drop(persist(file, &path).unwrap());
            assert_eq!(fs::read(&path).unwrap(), b"mine");
            let failed = persist(create(folder, false).unwrap(), &path).unwrap_err();
            assert_eq!(failed.error.kind(), io::ErrorKind::AlreadyExists);
            drop(failed);
            assert_eq!(fs::read(&path).unwrap(), b"mine");
            assert_eq!(names(folder), ["out"]);
            fs::remove_file(&path).unwrap();
        }
    }
}
