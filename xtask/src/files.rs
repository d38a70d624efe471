//! Where the repository is, and how a generated file is written or compared.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use crate::Result;

/// The root folder of the repository.
pub fn root() -> PathBuf {
    let mut root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    root.pop();
    root
}

/// Makes the file at `path` (from the root) hold `contents`, or, with `check`, fails if it doesn't yet.
///
/// `command` regenerates the file; it stands in the error.
pub fn ensure_file_contents(path: &str, contents: &[u8], check: bool, command: &str) -> Result<()> {
    ensure_contents_below(&root(), path, contents, check, command)
}

fn ensure_contents_below(root: &Path, path: &str, contents: &[u8], check: bool, command: &str) -> Result<()> {
    let file = root.join(path);
    match fs::read(&file) {
        Ok(present) if present == contents => return Ok(()),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(format!("{path}: {error}").into()),
    }
    if check {
        return Err(format!("{path} is stale: run `{command}` and commit the result").into());
    }
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder).map_err(|error| format!("{path}: {error}"))?;
    }
    fs::write(&file, contents).map_err(|error| format!("{path}: {error}"))?;
    println!("wrote {path}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_then_compares() {
        let root = std::env::temp_dir().join(format!("xtask-files-{}", std::process::id()));
        let ensure = |contents, check| ensure_contents_below(&root, "a/b.rs", contents, check, "cargo x");

        let stale = "a/b.rs is stale: run `cargo x` and commit the result";
        assert_eq!(ensure(b"one", true).unwrap_err().to_string(), stale);
        ensure(b"one", false).unwrap();
        ensure(b"one", true).unwrap();
        assert_eq!(ensure(b"two", true).unwrap_err().to_string(), stale);
        assert_eq!(fs::read(root.join("a/b.rs")).unwrap(), b"one");

        fs::remove_dir_all(&root).unwrap();
    }
}
