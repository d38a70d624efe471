//! What an output has from its input besides the contents: times, permissions, and for root the owner.

#[cfg(unix)]
use std::fs::Permissions;
use std::fs::{File, FileTimes, Metadata};
use std::io;

/// The attributes of a file that was read.
#[derive(Clone, Debug)]
pub(crate) struct Attributes {
    #[cfg(unix)]
    permissions: Permissions,
    times: FileTimes,
    /// User and group.
    #[cfg(unix)]
    owner: (u32, u32),
}

impl Attributes {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let mut times = FileTimes::new();
        if let Ok(time) = metadata.accessed() {
            times = times.set_accessed(time);
        }
        if let Ok(time) = metadata.modified() {
            times = times.set_modified(time);
        }
        Self {
            #[cfg(unix)]
            permissions: metadata.permissions(),
            times,
            #[cfg(unix)]
            owner: {
                use std::os::unix::fs::MetadataExt;
                (metadata.uid(), metadata.gid())
            },
        }
    }

    /// Gives them to a new file, which only its owner may read so far.
    ///
    /// # Errors
    ///
    /// Only if the permissions cannot be set: who may read a file is no detail.
    pub(crate) fn give_to(&self, file: &File) -> io::Result<()> {
        self.give_permissions(file)?;
        // Some file systems keep no times.
        let _ = file.set_times(self.times);
        Ok(())
    }

    #[cfg(unix)]
    fn give_permissions(&self, file: &File) -> io::Result<()> {
        use std::os::unix::fs::{PermissionsExt, fchown};
        let (user, group) = self.owner;
        // Only root may do this, and everyone else has the file as its own.
        let _ = fchown(file, Some(user), None);
        // The set-user-ID and set-group-ID bits are not copied.
        let mut mode = self.permissions.mode() & 0o777;
        if fchown(file, None, Some(group)).is_err() {
            // Another group than the input's may do no more than everybody may, and nobody more than the input's group.
            let common = mode >> 3 & mode & 0o7;
            mode = mode & 0o700 | common << 3 | common;
        }
        file.set_permissions(Permissions::from_mode(mode))
    }

    #[cfg(not(unix))]
    #[allow(
        clippy::unused_self,
        clippy::unnecessary_wraps,
        reason = "elsewhere there is something to do"
    )]
    fn give_permissions(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}
