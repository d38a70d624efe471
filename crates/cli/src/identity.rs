//! Which files are the same, under whatever names: what is read must not be written to.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
#[cfg(not(unix))]
use std::path::PathBuf;

use crate::paths::folder_of;
#[cfg(unix)]
use crate::streams;

/// A file or folder: on Unix its device and inode, which all its names and links share; elsewhere its canonical path,
/// which tells links apart that are hard.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Identity(Key);

#[cfg(unix)]
type Key = (u64, u64);
#[cfg(not(unix))]
type Key = PathBuf;

impl Identity {
    /// What a path leads to, links followed; `None` if nothing is there, or it cannot be looked at.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        #[cfg(unix)]
        return fs::metadata(path).ok().as_ref().map(Self::of_metadata);
        #[cfg(not(unix))]
        return fs::canonicalize(path).ok().map(Self);
    }

    #[cfg(unix)]
    pub(crate) fn of_metadata(metadata: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self((metadata.dev(), metadata.ino()))
    }
}

/// A name in a folder, whether or not a file is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Place {
    folder: Identity,
    name: OsString,
}

impl Place {
    /// `None` if there is no such folder.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        Some(Self {
            folder: Identity::of(&folder_of(path)?)?,
            name: path.file_name()?.to_owned(),
        })
    }
}

/// A set of files, such as all inputs of a command.
#[derive(Debug, Default)]
pub(crate) struct Identities {
    files: HashSet<Identity>,
    places: HashSet<Place>,
}

impl Identities {
    /// Adds a file. One that does not exist yet counts too: an output must not become an input.
    pub(crate) fn add(&mut self, path: &Path) {
        self.files.extend(Identity::of(path));
        self.places.extend(Place::of(path));
    }

    /// Adds what standard input reads from, if that is a file.
    pub(crate) fn add_stdin(&mut self) {
        #[cfg(unix)]
        if let Some(metadata) = streams::stdin_metadata() {
            self.files.insert(Identity::of_metadata(&metadata));
        }
    }

    /// Whether standard output writes to one of the files.
    pub(crate) fn contain_stdout(&self) -> bool {
        #[cfg(unix)]
        return streams::stdout_metadata()
            .is_some_and(|it| it.is_file() && self.files.contains(&Identity::of_metadata(&it)));
        #[cfg(not(unix))]
        false
    }

    /// Whether one of the files is at this path, or would be.
    pub(crate) fn contains(&self, path: &Path) -> bool {
        Identity::of(path).is_some_and(|file| self.files.contains(&file))
            || Place::of(path).is_some_and(|place| self.places.contains(&place))
    }
}

impl<P: AsRef<Path>> FromIterator<P> for Identities {
    fn from_iter<I: IntoIterator<Item = P>>(paths: I) -> Self {
        let mut identities = Self::default();
        for path in paths {
            identities.add(path.as_ref());
        }
        identities
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_many_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "a").unwrap();
        fs::write(path("b"), "a").unwrap();
        fs::create_dir(path("sub")).unwrap();
        let inputs: Identities = [path("a"), path("none")].into_iter().collect();
        for (name, expected) in [
            ("a", true),
            ("sub/../a", true),
            ("./a", true),
            ("b", false),
            // It may be created later.
            ("none", true),
            ("sub/../none", true),
            ("sub/none", false),
            ("nowhere/none", false),
        ] {
            assert_eq!(inputs.contains(&path(name)), expected, "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_are_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "a").unwrap();
        fs::hard_link(path("a"), path("hard")).unwrap();
        std::os::unix::fs::symlink("a", path("soft")).unwrap();
        for (input, output) in [
            ("a", "hard"),
            ("hard", "a"),
            ("soft", "a"),
            ("a", "soft"),
            ("soft", "hard"),
        ] {
            let inputs: Identities = [path(input)].into_iter().collect();
            assert!(inputs.contains(&path(output)), "{input} {output}");
        }
    }
}
