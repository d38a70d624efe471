//! Which files are processed: what the user names goes in; transfers come out.
//!
//! Names are looked at here, and folders and lists are read; no input is opened, except to see whether it is compressed
//! already.

use std::fs::{self, Metadata};
use std::path::{Component, Path, PathBuf};

use walkdir::WalkDir;

use crate::args::Files;
use crate::args::help::SUBCOMMANDS;
use crate::compressed_already::is_compressed;
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::identity::Identities;
use crate::input::Source;
use crate::list_files;
use crate::output::Target;
use crate::temporary;
use crate::transfer::{Transfer, compressed_name, is_compressed_name, restored_name};
use crate::ui::Ui;

/// What is done with the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Compress,
    Restore,
    /// They are only read.
    Read,
}

/// Where outputs go.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Destination {
    Beside,
    Named(PathBuf),
    Stdout,
    /// Under this folder, each at the path of its input.
    Mirror(PathBuf),
    /// Into this folder.
    Flat(PathBuf),
    Nowhere,
}

/// Files and folders as they were named.
#[derive(Debug)]
pub(crate) struct Selection {
    purpose: Purpose,
    names: Vec<PathBuf>,
    /// Files that hold further names, and what a name there ends in.
    lists: Vec<(Source, u8)>,
    destination: Destination,
    force: bool,
    remove: bool,
    recursive: bool,
    exclude_compressed: bool,
    json: bool,
    /// Whether there is no command, and files are chosen as other compressors choose them.
    plain: bool,
}

/// Files that may be processed.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) transfers: Vec<Transfer>,
    /// What has been named besides.
    pub(crate) others: Vec<PathBuf>,
    /// The lists that name them.
    pub(crate) lists: Vec<Source>,
    /// How those ended that cannot be processed. They have been reported.
    pub(crate) exit: Exit,
}

impl Selection {
    /// From the arguments. Without a command (`plain`), standard input is read if nothing else is named.
    pub(crate) fn new(files: Files, purpose: Purpose, plain: bool) -> Result<Self, Failure> {
        let mut names: Vec<PathBuf> = files.input_option.into_iter().chain(files.inputs).collect();
        let lines = files
            .files_from
            .into_iter()
            .map(|list| (Source::from(list), b'\n'));
        let zeros = files.files0_from.into_iter().map(|list| (Source::from(list), 0));
        let lists: Vec<(Source, u8)> = lines.chain(zeros).collect();
        if names.is_empty() && lists.is_empty() {
            if !plain {
                return Err(Error::NoInput.into());
            }
            names.push("-".into());
        }
        let destination = match (files.output, files.output_dir, files.output_dir_flat) {
            _ if purpose == Purpose::Read => Destination::Nowhere,
            _ if files.stdout => Destination::Stdout,
            (Some(output), ..) => Destination::Named(output),
            (_, Some(folder), _) => Destination::Mirror(folder),
            (.., Some(folder)) => Destination::Flat(folder),
            _ => Destination::Beside,
        };
        let selection = Self {
            purpose,
            lists,
            force: files.force,
            remove: files.rm && !matches!(destination, Destination::Stdout | Destination::Nowhere),
            recursive: files.recursive,
            exclude_compressed: files.exclude_compressed && purpose == Purpose::Compress,
            json: files.json,
            destination,
            names,
            plain,
        };
        selection.check_outputs(selection.names.len())?;
        Ok(selection)
    }

    /// All of these to standard output, or standard input if there are none.
    pub(crate) fn to_stdout(names: Vec<PathBuf>) -> Self {
        Self {
            purpose: Purpose::Restore,
            names: if names.is_empty() { vec!["-".into()] } else { names },
            lists: Vec::new(),
            destination: Destination::Stdout,
            force: false,
            remove: false,
            recursive: false,
            exclude_compressed: false,
            json: false,
            plain: false,
        }
    }

    fn check_outputs(&self, inputs: usize) -> Result<(), Failure> {
        match self.destination {
            Destination::Named(_) if inputs > 1 => Err(Error::OneOutput { inputs }.into()),
            _ => Ok(()),
        }
    }

    /// Looks at all that is named.
    pub(crate) fn find(&self, ui: &Ui) -> Result<Found, Failure> {
        self.check_command()?;
        let mut finder = Finder {
            selection: self,
            ui,
            found: Found::default(),
        };
        for name in &self.names {
            finder.add(Source::from(name.clone()));
        }
        for (list, end) in &self.lists {
            finder.found.lists.push(list.clone());
            for name in list_files::names(list, *end)? {
                // In a list, - is a file as any other.
                finder.add(Source::File(name));
            }
        }
        let found = finder.found;
        self.check_outputs(found.transfers.len())?;
        let streams = |transfer: &Transfer| transfer.target == Target::Stdout;
        if found.transfers.iter().any(streams) {
            if self.json {
                return Err(Error::JsonAmongData.into());
            }
            ui.leave_stdout_to_data();
        }
        Source::check_stdin_once(found.sources())?;
        Ok(found)
    }

    /// A word that is no file, but nearly a command, is most likely meant as one.
    fn check_command(&self) -> Result<(), Failure> {
        let word = self.names.first().and_then(|name| name.to_str());
        let Some(word) = word.filter(|word| self.plain && !Path::new(word).exists()) else {
            return Ok(());
        };
        if let Some((_, meant)) = COMMANDS_ELSEWHERE.iter().find(|(other, _)| *other == word) {
            let word = word.to_owned();
            return Err(Error::UnknownCommand { word, meant }.into());
        }
        let distance = |command: &&&str| strsim::osa_distance(word, command);
        match SUBCOMMANDS.iter().min_by_key(distance) {
            Some(&command) if command == word => Err(Error::CommandAfterOptions { command }.into()),
            Some(command) if distance(&command) <= 2 && 2 * distance(&command) < word.len() => {
                Err(Error::UnknownCommand {
                    word: word.to_owned(),
                    meant: command,
                }
                .into())
            }
            _ => Ok(()),
        }
    }
}

/// Commands of other programs, and what does the same here.
const COMMANDS_ELSEWHERE: [(&str, &str); 8] = [
    ("help", "--help"),
    ("version", "--version"),
    ("list", "-l"),
    ("test", "-t"),
    ("extract", "-d"),
    ("restore", "-d"),
    ("uncompress", "-d"),
    ("benchmark", "bench"),
];

/// Why a file is skipped. The user is told, and the exit code says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error("it is a symbolic link; -f follows it")]
    Link,
    #[error("it is not a regular file; -o reads it all the same")]
    Special,
    #[cfg(unix)]
    #[error("it has {0} hard links, so --rm would not free its space; -f takes it")]
    HardLinks(u64),
    #[cfg(unix)]
    #[error("it has the set-user-ID, set-group-ID or sticky bit, which --rm would lose; -f takes it")]
    SpecialBits,
    #[error("its name ends in .czip already; -f compresses it again")]
    Compressed,
}

struct Finder<'s> {
    selection: &'s Selection,
    ui: &'s Ui,
    found: Found,
}

impl Finder<'_> {
    fn fail(&mut self, failure: &Failure) {
        self.ui.failure(failure);
        self.found.exit = self.found.exit.or(failure.error.exit());
    }

    fn skip(&mut self, path: &Path, reason: Reason) {
        self.ui
            .warning(format_args!("{}: skipped: {reason}", path.display()));
        self.found.exit = self.found.exit.or(Exit::Failure);
        // One that is compressed already may be the output of another input, which is told that it is there.
        if reason != Reason::Compressed {
            self.found.others.push(path.to_owned());
        }
    }

    fn pass_over(&self, path: &Path, reason: &str) {
        self.ui
            .detail(format_args!("{}: passed over: {reason}", path.display()));
    }

    /// Something that was named.
    fn add(&mut self, source: Source) {
        let Source::File(path) = source else {
            self.take(source);
            return;
        };
        let metadata = match fs::metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) => {
                self.found.others.push(path.clone());
                self.fail(&Error::Read(error).of(path.display()));
                return;
            }
        };
        if metadata.is_dir() {
            if self.selection.recursive {
                self.walk(&path);
            } else {
                self.fail(&Error::Folder.of(path.display()));
            }
            return;
        }
        if let Some(reason) = self.reason_to_skip(&path, &metadata) {
            self.skip(&path, reason);
        } else if self.is_excluded(&path) {
            self.found.others.push(path);
        } else {
            self.take(Source::File(path));
        }
    }

    fn reason_to_skip(&self, path: &Path, metadata: &Metadata) -> Option<Reason> {
        let Selection {
            destination,
            purpose,
            plain,
            remove,
            force,
            ..
        } = self.selection;
        // Whoever says where the output goes knows what it is made of.
        let is_placed = !matches!(
            destination,
            Destination::Named(_) | Destination::Stdout | Destination::Nowhere
        );
        if is_placed && !metadata.is_file() {
            return Some(Reason::Special);
        }
        if *force {
            return None;
        }
        if (*plain && is_placed || *remove) && path.is_symlink() {
            return Some(Reason::Link);
        }
        if *remove {
            #[cfg(unix)]
            {
                use std::os::unix::fs::MetadataExt;
                if metadata.nlink() > 1 {
                    return Some(Reason::HardLinks(metadata.nlink()));
                }
                if metadata.mode() & 0o7000 != 0 {
                    return Some(Reason::SpecialBits);
                }
            }
        }
        let again = *purpose == Purpose::Compress && is_placed && is_compressed_name(path);
        again.then_some(Reason::Compressed)
    }

    fn is_excluded(&self, path: &Path) -> bool {
        let is_excluded = self.selection.exclude_compressed && is_compressed(path);
        if is_excluded {
            self.pass_over(path, "it is compressed already");
        }
        is_excluded
    }

    /// All files in a folder that fit the purpose. The others are passed over: nobody has named them.
    fn walk(&mut self, folder: &Path) {
        let Selection { purpose, force, .. } = *self.selection;
        let entries = WalkDir::new(folder).follow_links(force).sort_by_file_name();
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(folder).to_owned();
                    let error = error.into_io_error().map_or(Error::FolderInItself, Error::Read);
                    self.fail(&error.of(path.display()));
                    continue;
                }
            };
            let path = entry.path();
            let kind = entry.file_type();
            if kind.is_dir() {
                continue;
            }
            let is_ours = is_compressed_name(path);
            let reason = if !kind.is_file() {
                Some("it is not a regular file")
            } else if temporary::is_name(entry.file_name()) {
                Some("it is a temporary file of czip")
            } else if purpose == Purpose::Compress && is_ours && !force {
                Some("its name ends in .czip already")
            } else if purpose != Purpose::Compress && !is_ours {
                Some("its name does not end in .czip")
            } else {
                None
            };
            if let Some(reason) = reason {
                self.pass_over(path, reason);
                continue;
            }
            // If it cannot be looked at, opening it will tell why.
            let metadata = entry.metadata().ok();
            if let Some(reason) = metadata.and_then(|metadata| self.reason_to_skip(path, &metadata)) {
                self.skip(path, reason);
            } else if !self.is_excluded(path) {
                self.take(Source::File(path.to_owned()));
            }
        }
    }

    /// Finds a place for its output.
    fn take(&mut self, source: Source) {
        match self.target(&source) {
            Ok(target) => self.found.transfers.push(Transfer {
                overwrite: self.selection.force,
                remove: self.selection.remove && matches!(source, Source::File(_)),
                makes_folders: matches!(
                    self.selection.destination,
                    Destination::Mirror(_) | Destination::Flat(_)
                ),
                source,
                target,
            }),
            Err(error) => {
                if let Source::File(path) = &source {
                    self.found.others.push(path.clone());
                }
                self.fail(&error.of(&source));
            }
        }
    }

    fn target(&self, source: &Source) -> Result<Target, Error> {
        let name = |path: &Path| match self.selection.purpose {
            Purpose::Compress => compressed_name(path),
            Purpose::Restore | Purpose::Read => restored_name(path),
        };
        let path = match (&self.selection.destination, source) {
            (Destination::Nowhere, _) => return Ok(Target::Nowhere),
            (Destination::Named(output), _) => return Ok(Target::from(output.clone())),
            (Destination::Stdout, _) | (_, Source::Stdin | Source::Descriptor(..)) => {
                return Ok(Target::Stdout);
            }
            (Destination::Beside, Source::File(path)) => path.clone(),
            (Destination::Mirror(folder), Source::File(path)) => {
                folder.join(below_root(path).ok_or(Error::AboveFolder)?)
            }
            (Destination::Flat(folder), Source::File(path)) => {
                folder.join(path.file_name().ok_or(Error::AboveFolder)?)
            }
        };
        name(&path).map(Target::File).ok_or(Error::NoOutputName)
    }
}

/// A path as it is named, seen from the root or the current folder. `None` if it leads out of that.
fn below_root(path: &Path) -> Option<PathBuf> {
    let mut below = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => below.push(name),
            Component::RootDir | Component::Prefix(_) | Component::CurDir => {}
            Component::ParentDir => return None,
        }
    }
    Some(below)
}

impl Found {
    /// All that is read, lists of names among them.
    fn sources(&self) -> impl Iterator<Item = &Source> {
        let sources = self.transfers.iter().map(|transfer| &transfer.source);
        sources.chain(&self.lists)
    }

    /// All that is read, or was to be.
    pub(crate) fn inputs(&self) -> Identities {
        let mut inputs: Identities = self.sources().collect();
        for path in &self.others {
            inputs.add(path);
        }
        inputs
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(line: &str) -> Result<Vec<Target>, String> {
        use clap::Parser;

        #[derive(Debug, Parser)]
        struct Line {
            #[command(flatten)]
            files: Files,
        }
        let files = Line::parse_from(line.split_whitespace()).files;
        let selection = Selection::new(files, Purpose::Compress, true).map_err(|error| error.to_string())?;
        let found = selection
            .find(&Ui::new("czip", 2, 0, false))
            .map_err(|error| error.to_string())?;
        Ok(found
            .transfers
            .into_iter()
            .map(|transfer| transfer.target)
            .collect())
    }

    #[test]
    fn outputs_have_their_places() {
        let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
        let below = &manifest[1..];
        for (line, target) in [
            ("czip", Target::Stdout),
            ("czip -", Target::Stdout),
            ("czip - -o out", Target::File("out".into())),
            ("czip -o - Cargo.toml", Target::Stdout),
            ("czip -c Cargo.toml", Target::Stdout),
            ("czip -o a -c Cargo.toml", Target::Stdout),
            ("czip -c -o a Cargo.toml", Target::File("a".into())),
            ("czip Cargo.toml", Target::File("Cargo.toml.czip".into())),
            ("czip -i ./Cargo.toml", Target::File("./Cargo.toml.czip".into())),
            (
                "czip --output-dir out ./src/lib.rs",
                Target::File("out/src/lib.rs.czip".into()),
            ),
            (
                "czip --output-dir-flat out ./src/lib.rs",
                Target::File("out/lib.rs.czip".into()),
            ),
            (
                &format!("czip --output-dir out {manifest}"),
                Target::File(format!("out/{below}.czip").into()),
            ),
        ] {
            assert_eq!(targets(line), Ok(vec![target]), "{line}");
        }
        assert_eq!(targets("czip --output-dir out src/../Cargo.toml"), Ok(Vec::new()));
    }
}
