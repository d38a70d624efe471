//! Where data come from.

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{self, IsTerminal, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::attributes::Attributes;
use crate::error::{Error, Failure};
use crate::identity::Identities;
#[cfg(unix)]
use crate::identity::Identity;
use crate::streams::{self, Descriptor};
use crate::ui::Ui;

/// An input as named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdin,
    /// A file descriptor by its name in the file system, such as `/dev/fd/3`.
    Descriptor(PathBuf, Descriptor),
    File(PathBuf),
}

impl From<PathBuf> for Source {
    fn from(path: PathBuf) -> Self {
        match Descriptor::named(&path) {
            _ if path.as_os_str() == "-" => Self::Stdin,
            Some(descriptor) if descriptor.is(0) => Self::Stdin,
            Some(descriptor) => Self::Descriptor(path, descriptor),
            None => Self::File(path),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("<stdin>"),
            Self::Descriptor(path, _) | Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Source {
    /// Opens it for reading.
    pub(crate) fn open(&self) -> Result<Input, Failure> {
        let input = match self {
            Self::Stdin if streams::stdin_is_closed() => Err(Error::StdinClosed),
            Self::Stdin => Ok(Input::new(Reader::Stdin, None, streams::stdin_len())),
            Self::Descriptor(path, descriptor) => open_file(path, descriptor.state().map(|it| it.position)),
            Self::File(path) => open_file(path, None),
        };
        input.map_err(|error| error.of(self))
    }

    /// Whether it is a file rather than a pipe or a device, found out without opening it: opening and closing a pipe
    /// would lose its writer.
    pub(crate) fn is_file(&self) -> bool {
        match self {
            Self::File(path) => fs::metadata(path).is_ok_and(|metadata| metadata.is_file()),
            Self::Stdin | Self::Descriptor(..) => false,
        }
    }

    /// Refuses what may keep other inputs waiting for ever: a pipe or a device that is named like a file, as one of so
    /// many inputs.
    pub(crate) fn check_among(&self, inputs: usize) -> Result<(), Failure> {
        match self {
            Self::File(path)
                if inputs > 1 && fs::metadata(path).is_ok_and(|it| !it.is_file() && !it.is_dir()) =>
            {
                Err(Error::SpecialAmongOthers.of(self))
            }
            _ => Ok(()),
        }
    }

    /// Opens it for reading compressed data, which is refused from a terminal.
    pub(crate) fn open_compressed(&self) -> Result<Input, Failure> {
        if *self == Self::Stdin && io::stdin().is_terminal() {
            return Err(Error::CompressedFromTerminal.into());
        }
        self.open()
    }

    /// Refuses to read standard input more than once.
    pub(crate) fn check_stdin_once<'s>(sources: impl IntoIterator<Item = &'s Self>) -> Result<(), Failure> {
        let stdin = |source: &&Self| **source == Self::Stdin;
        if sources.into_iter().filter(stdin).count() > 1 {
            return Err(Error::StdinTwice.into());
        }
        Ok(())
    }

    /// Reads all of it, as one of this many inputs.
    pub(crate) fn read_all(&self, inputs: usize, ui: &Ui) -> Result<Vec<u8>, Failure> {
        self.read_within(inputs, u64::MAX, ui)
    }

    /// The same, if it has no more bytes than the limit.
    pub(crate) fn read_within(&self, inputs: usize, limit: u64, ui: &Ui) -> Result<Vec<u8>, Failure> {
        self.check_among(inputs)?;
        let mut input = self.open()?;
        let mut bytes = Vec::new();
        (&mut input)
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)
            .map_err(|error| Error::Read(error).of(self))?;
        let len = bytes.len() as u64;
        if len > limit {
            let needed = input.file_len().unwrap_or(len).max(len);
            return Err(Error::MemoryLimit { needed, limit }.of(self));
        }
        input.finish(self, ui)?;
        Ok(bytes)
    }
}

/// The files that are read from.
impl<'s> FromIterator<&'s Source> for Identities {
    fn from_iter<I: IntoIterator<Item = &'s Source>>(sources: I) -> Self {
        let mut identities = Self::default();
        for source in sources {
            match source {
                Source::Stdin => identities.add_stdin(),
                Source::Descriptor(path, _) | Source::File(path) => identities.add(path),
            }
        }
        identities
    }
}

/// Opens a file, to be read from a position onwards.
fn open_file(path: &Path, position: Option<u64>) -> Result<Input, Error> {
    let metadata = fs::metadata(path).map_err(Error::Read)?;
    if metadata.is_dir() {
        return Err(Error::IsFolder);
    }
    let mut file = File::open(path).map_err(Error::Read)?;
    // Another file may have taken its place.
    let metadata = file.metadata().map_err(Error::Read)?;
    if !metadata.is_file() {
        return Ok(Input::new(Reader::File(file), None, None));
    }
    let position = position.unwrap_or(0);
    if position > 0 {
        file.seek(SeekFrom::Start(position)).map_err(Error::Read)?;
    }
    let len = metadata.len().saturating_sub(position);
    Ok(Input::new(
        Reader::File(file),
        Some((Attributes::of(&metadata), Version::of(&metadata))),
        Some(len),
    ))
}

/// What recovery reads.
pub(crate) trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// Which file was read, and in which state it was. Another file under its name has another, and so has the file itself after
/// a change of its contents.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    #[cfg(unix)]
    identity: Identity,
    len: u64,
    modified: Option<SystemTime>,
}

impl Version {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self {
            #[cfg(unix)]
            identity: Identity::of_metadata(metadata),
            len: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

/// An open input.
#[derive(Debug)]
pub(crate) struct Input {
    reader: Reader,
    /// Read already, to see what it is, but not handed out.
    ahead: Vec<u8>,
    /// Of a file.
    file: Option<(Attributes, Version)>,
    len: Option<u64>,
    read: u64,
    has_failed: bool,
}

#[derive(Debug)]
enum Reader {
    Stdin,
    File(File),
}

impl Input {
    fn new(reader: Reader, file: Option<(Attributes, Version)>, len: Option<u64>) -> Self {
        Self {
            reader,
            ahead: Vec::new(),
            file,
            len,
            read: 0,
            has_failed: false,
        }
    }

    /// The attributes of the file, if it is one.
    pub(crate) fn attributes(&self) -> Option<Attributes> {
        self.file.as_ref().map(|(attributes, _)| attributes.clone())
    }

    /// The state of the file when it was opened, if it is one.
    pub(crate) fn version(&self) -> Option<Version> {
        self.file.as_ref().map(|(_, version)| version.clone())
    }

    /// The first bytes, which are still read later: this many, or all if there are fewer.
    pub(crate) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let mut ahead = Vec::new();
        (&mut *self).take(count as u64).read_to_end(&mut ahead)?;
        self.read -= ahead.len() as u64;
        self.ahead = ahead;
        Ok(&self.ahead)
    }

    /// The length of the file when it was opened, if it is one.
    pub(crate) fn file_len(&self) -> Option<u64> {
        self.len
    }

    /// Whether reading has failed, to tell its errors from those of writing.
    pub(crate) fn has_failed(&self) -> bool {
        self.has_failed
    }

    /// All of it, readable at any position: the file itself, or what has been read of a stream.
    pub(crate) fn into_seekable(mut self) -> io::Result<Box<dyn ReadSeek>> {
        if let Reader::File(file) = &mut self.reader
            && self.file.is_some()
            // A descriptor may have begun later.
            && file.stream_position()? == self.read + self.ahead.len() as u64
            && let Reader::File(file) = self.reader
        {
            return Ok(Box::new(file));
        }
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(Box::new(io::Cursor::new(bytes)))
    }

    /// Called at the input's end. A file that was longer when it was opened has been cut while it was read, which is
    /// an error; one that has grown is only mentioned.
    pub(crate) fn finish(&self, source: &Source, ui: &Ui) -> Result<(), Failure> {
        match self.len {
            Some(len) if self.read < len => Err(Error::Shrunk { len, read: self.read }.of(source)),
            // Files of length 0, as in /proc, can still have contents.
            Some(len) if len > 0 && self.read > len => {
                ui.detail(format_args!(
                    "{source}: has grown since it was opened: it had {len} bytes then"
                ));
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.ahead.is_empty() {
            let count = self.ahead.as_slice().read(buffer)?;
            self.ahead.drain(..count);
            self.read += count as u64;
            return Ok(count);
        }
        let result = match &mut self.reader {
            Reader::Stdin => io::stdin().lock().read(buffer),
            Reader::File(file) => file.read(buffer),
        };
        self.read += *result.as_ref().unwrap_or(&0) as u64;
        // An interrupted call is made again.
        self.has_failed = result
            .as_ref()
            .is_err_and(|error| error.kind() != io::ErrorKind::Interrupted);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_standard_input() {
        for (name, source) in [
            ("-", Source::Stdin),
            ("./-", Source::File("./-".into())),
            #[cfg(unix)]
            ("/dev/stdin", Source::Stdin),
            #[cfg(unix)]
            ("/dev/fd/0", Source::Stdin),
        ] {
            assert_eq!(Source::from(PathBuf::from(name)), source);
        }
        assert_eq!(Source::Stdin.to_string(), "<stdin>");
    }

    #[test]
    fn only_files_may_be_opened_twice() {
        let is_file = |path: &str| Source::from(PathBuf::from(path)).is_file();
        assert!(is_file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")));
        assert!(!is_file(env!("CARGO_MANIFEST_DIR")));
        assert!(!is_file("no such file"));
        assert!(!is_file("-"));
        #[cfg(unix)]
        assert!(!is_file("/dev/null"));
    }

    #[test]
    fn file_that_changes_while_it_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let read = |change: &dyn Fn(&File)| {
            fs::write(&path, [7; 1000]).unwrap();
            let mut input = Source::File(path.clone()).open().unwrap();
            input.read_exact(&mut [0; 100]).unwrap();
            change(&File::options().append(true).open(&path).unwrap());
            let mut rest = Vec::new();
            input.read_to_end(&mut rest).unwrap();
            input
        };
        let source = Source::File(path.clone());
        let finish = |input: Input| input.finish(&source, &Ui::new("czip", 1, 0, false));
        assert!(finish(read(&|_| {})).is_ok());
        let error = finish(read(&|file| file.set_len(999).unwrap())).unwrap_err();
        assert_eq!(
            error.error.to_string(),
            "shrank while it was being read: only 999 of its 1000 bytes were there"
        );
        assert!(finish(read(&|file| file.set_len(1001).unwrap())).is_ok());
    }
}
