//! The right to write a checkpoint: one process at a time has it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use super::error::Error;
use super::names::with_ending;

/// The right to write a checkpoint. It ends with the process at the latest, however that ends; the lock file may then remain,
/// and the next process takes it over.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    // Holds the lock until it is closed.
    _file: File,
}

impl Lock {
    /// The lock file: `m.czm.checkpoint.lock` for `m.czm.checkpoint`. It is always empty.
    #[must_use]
    pub fn path_for(checkpoint: &Path) -> PathBuf {
        with_ending(checkpoint, ".lock")
    }

    /// This lock's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Takes the right to write, unless another process has it. On a file system without locks every process gets it.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] if another process has it; [`Error::Write`] if the lock file cannot be made.
    pub fn take(checkpoint: &Path) -> Result<Self, Error> {
        let path = Self::path_for(checkpoint);
        let failed = |source| Error::Write {
            path: path.clone(),
            source,
        };
        loop {
            let file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(failed)?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    return Err(Error::Busy {
                        path: checkpoint.to_owned(),
                    });
                }
                // There are file systems without locks.
                Err(TryLockError::Error(_)) => {}
            }
            // The previous holder may have removed the file after it was opened here.
            if is_named(&file).map_err(failed)? {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Removed before it is unlocked: afterwards it might be another process's.
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether an open file still has a name.
fn is_named(file: &File) -> io::Result<bool> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Ok(file.metadata()?.nlink() > 0)
    }
    #[cfg(not(unix))]
    file.metadata().map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_process_has_the_right_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.czm.checkpoint");
        let lock = Lock::take(&path).unwrap();
        assert_eq!(lock.path(), folder.path().join("m.czm.checkpoint.lock"));
        assert!(matches!(Lock::take(&path), Err(Error::Busy { path: found }) if found == path));
        drop(lock);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        // A killed process leaves the file, but not the lock.
        fs::write(Lock::path_for(&path), "").unwrap();
        drop(Lock::take(&path).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
