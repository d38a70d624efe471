//! Runs an executable in its own folder.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

/// A text of some length that every model can compress.
pub(crate) const TEXT: &str =
    "Integers are the same everywhere.\nSo is what is made of them, naïvely or not: 1, 2, 3.\n";

/// A trained or random model, if there is one.
pub(crate) fn model() -> Option<PathBuf> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/data/model.czm");
    if golden.exists() {
        Some(golden)
    } else {
        czip_vectors::shared("conformance/models/v001_eng.czm")
    }
}

/// A folder to run in. It vanishes with its contents.
pub(crate) struct Folder(TempDir);

impl Folder {
    /// An empty folder.
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with the file `notes.txt`, which holds [`TEXT`].
    pub(crate) fn with_text() -> Self {
        let folder = Self::new();
        folder.write("notes.txt", TEXT);
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: impl AsRef<[u8]>) {
        fs::write(self.path(name), contents).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.path(name)).unwrap()
    }

    /// The names of all files, in order.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// `czip` in this folder, without what the environment says about models.
    pub(crate) fn command(&self) -> Command {
        self.command_called(env!("CARGO_BIN_EXE_czip"))
    }

    pub(crate) fn command_called(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.0.path()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("CZIP_") {
                command.env_remove(name);
            }
        }
        command
    }

    /// Runs `czip` with the model that `CZIP_MODEL` names.
    pub(crate) fn czip<A: AsRef<OsStr>>(
        &self,
        model: &Path,
        arguments: impl IntoIterator<Item = A>,
    ) -> Finished {
        Finished(
            self.command()
                .env("CZIP_MODEL", model)
                .args(arguments)
                .output()
                .unwrap(),
        )
    }

    /// [`Folder::czip`] with something on standard input.
    pub(crate) fn pipe<const N: usize>(&self, model: &Path, arguments: [&str; N], input: &[u8]) -> Finished {
        let mut command = self.command();
        command.env("CZIP_MODEL", model).args(arguments);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        Finished(child.wait_with_output().unwrap())
    }
}

/// What a run has left behind.
#[derive(Debug)]
pub(crate) struct Finished(pub(crate) Output);

impl Finished {
    /// Panics unless the exit code is this.
    pub(crate) fn exits(self, code: i32) -> Self {
        assert_eq!(self.0.status.code(), Some(code), "{}", self.stderr());
        self
    }

    pub(crate) fn stdout(&self) -> &[u8] {
        &self.0.stdout
    }

    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.0.stderr.clone()).unwrap()
    }

    /// Panics unless the run has failed with this exit code and message, and without output.
    pub(crate) fn fails(self, code: i32, message: &str) {
        let finished = self.exits(code);
        assert_eq!(finished.stderr(), format!("czip: {message}\n"));
        assert_eq!(finished.stdout(), b"");
    }

    /// Panics unless the run has failed with exit code 1 and a message that begins so, under this name of the program.
    #[cfg(unix)]
    pub(crate) fn fails_as(self, program: &str, message: &str) {
        let finished = self.exits(1);
        let start = format!("{program}: {message}");
        assert!(finished.stderr().starts_with(&start), "{}", finished.stderr());
    }
}
