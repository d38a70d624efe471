//! Where paths lead to.

use std::fs;
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
