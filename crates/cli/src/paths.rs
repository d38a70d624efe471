//! Where paths lead to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where a path leads to: through all links, even dangling ones.
pub(crate) fn resolve(path: &Path) -> PathBuf {
    // More links than that in a row are a circle.
    const MOST_LINKS: usize = 40;
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Ok(found) = fs::canonicalize(&path) {
            return found;
        }
        let (Ok(target), Some(folder)) = (path.read_link(), folder_of(&path)) else {
            break;
        };
        path = folder.join(target);
    }
    path
}

/// The folder that a file is in: `.` for a bare name. `None` for a root.
pub(crate) fn folder_of(path: &Path) -> Option<PathBuf> {
    let folder = path.parent()?;
    Some(if folder.as_os_str().is_empty() {
        PathBuf::from(".")
    } else {
        folder.to_owned()
    })
}

/// Makes sure that a file's name is on disk; with `all`, also the names of the folders that it is in.
///
/// Not all systems can do this for folders; those that cannot need nothing done.
pub(crate) fn sync_folder_of(path: &Path, all: bool) -> io::Result<()> {
    let Some(folder) = folder_of(path) else {
        return Ok(());
    };
    sync_folder(&folder)?;
    if all {
        // Folders above those that were made may be closed to this user.
        folder
            .ancestors()
            .skip(1)
            .for_each(|folder| drop(sync_folder(folder)));
    }
    Ok(())
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> io::Result<()> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    match fs::File::open(folder)?.sync_all() {
        // Some file systems have no such call for folders.
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported
            ) =>
        {
            Ok(())
        }
        result => result,
    }
}

#[cfg(not(unix))]
#[allow(clippy::unnecessary_wraps, reason = "elsewhere it may fail")]
fn sync_folder(_: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_but_a_root_is_in_a_folder() {
        assert_eq!(folder_of("a".as_ref()), Some(".".into()));
        assert_eq!(folder_of("a/b".as_ref()), Some("a".into()));
        assert_eq!(folder_of("/".as_ref()), None);
    }

    #[cfg(unix)]
    #[test]
    fn links_are_followed_to_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "a").unwrap();
        for (target, link) in [("a", "b"), ("none", "c"), ("c", "d"), ("e", "e")] {
            std::os::unix::fs::symlink(target, path(link)).unwrap();
        }
        assert_eq!(resolve(&path("b")), fs::canonicalize(path("a")).unwrap());
        assert_eq!(resolve(&path("c")), path("none"));
        assert_eq!(resolve(&path("d")), path("none"));
        assert_eq!(resolve(&path("e")), path("e"));
        assert_eq!(resolve(&path("f")), path("f"));
    }
}
