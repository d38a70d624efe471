//! `czip grep`: texts of compressed files, and other files as they are, go through the system's grep.
//!
//! Names are handed to grep as they are, and no shell comes between.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, ExitStatus, Stdio};

use czip::Options;

use crate::commands::decompress::is_other;
use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::input::Source;
use crate::list_files::path;
use crate::models::{ModelFiles, ModelSet};
use crate::output::Target;
use crate::streams;
use crate::ui::Ui;

/// What to search for, and where.
#[derive(Debug)]
pub(crate) struct Grep {
    /// Those of grep, and the pattern.
    options: Vec<OsString>,
    /// Files of patterns.
    lists: Vec<Source>,
    /// Whether only the exit code is wanted.
    is_quiet: bool,
    files: Vec<Source>,
    models: ModelFiles,
    decoding: Options,
}

/// Short options of grep that have a value.
const SHORT_WITH_VALUE: &[u8] = b"efmABCdD";

/// Long ones, whose value may be a word of its own.
const LONG_WITH_VALUE: [&str; 14] = [
    "--regexp",
    "--file",
    "--max-count",
    "--after-context",
    "--before-context",
    "--context",
    "--binary-files",
    "--devices",
    "--directories",
    "--label",
    "--group-separator",
    "--include",
    "--exclude",
    "--exclude-dir",
];

impl Grep {
    /// Tells options from files. The arguments are those of grep.
    pub(crate) fn new(
        arguments: Vec<OsString>,
        models: ModelFiles,
        decoding: Options,
    ) -> Result<Self, Failure> {
        let (mut options, mut lists, mut rest) = (Vec::new(), Vec::new(), Vec::new());
        let (mut has_pattern, mut is_quiet) = (false, false);
        let mut arguments = arguments.into_iter().peekable();
        while let Some(argument) = arguments.next() {
            let bytes = argument.as_encoded_bytes();
            if argument == "--" {
                rest.extend(arguments);
                break;
            }
            if bytes == b"-" || !bytes.starts_with(b"-") {
                rest.push(argument);
                continue;
            }
            let examined = Examined::from(bytes);
            if examined.recurses {
                let message = "grep's -r reads no compressed files; name the files, as find or a pattern of the shell lists them";
                return Err(Error::Grep(message.into()).into());
            }
            is_quiet |= examined.is_quiet;
            has_pattern |= examined.value != Value::Other;
            let next = match (examined.wants_value, arguments.next_if(|_| examined.wants_value)) {
                (true, None) => {
                    let message = format!("{} needs a value", argument.display());
                    return Err(Error::Grep(message).into());
                }
                (_, next) => next,
            };
            if examined.value == Value::List {
                let (flags, name) = split_list(bytes);
                options.extend(path(flags).filter(|_| flags.len() > 1).map(OsString::from));
                let name = next.map(PathBuf::from).or_else(|| path(name));
                lists.extend(name.map(Source::from));
            } else {
                options.push(argument);
                options.extend(next);
            }
        }
        let mut rest = rest.into_iter();
        if !has_pattern {
            let pattern = rest
                .next()
                .ok_or_else(|| Error::Grep("there is no pattern to search for".into()))?;
            options.extend(["-e".into(), pattern]);
        }
        let mut files: Vec<Source> = rest.map(|file| Source::from(PathBuf::from(file))).collect();
        if files.is_empty() {
            files.push(Source::Stdin);
        }
        Source::check_stdin_once(files.iter().chain(&lists))?;
        Ok(Self {
            options,
            lists,
            is_quiet,
            files,
            models,
            decoding,
        })
    }

    /// The exit code is that of grep: 0 if something was found, 1 if not; after an error 2, or that of the error above. If
    /// only the code is wanted, it is 0 as soon as something was found.
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        ui.leave_stdout_to_data();
        let (models, lists) = match self.prepare(ui) {
            Ok(prepared) => prepared,
            Err(failure) => {
                ui.failure(&failure);
                return Ok(exit_of(&failure));
            }
        };
        let mut exit = Exit::Success;
        let mut found = false;
        for source in &self.files {
            let searched = source
                .check_among(self.files.len())
                .and_then(|()| self.search(source, &lists, &models));
            match searched {
                Ok(0) if self.is_quiet => return Ok(Exit::Success),
                Ok(0) => found = true,
                Ok(1) => {}
                // It has said why.
                Ok(_) => exit = exit.or(Exit::Usage),
                Err(failure) if matches!(failure.error, Error::ReaderGone) => return Ok(exit),
                Err(failure) => {
                    ui.failure(&failure);
                    exit = exit.or(exit_of(&failure));
                }
            }
        }
        Ok(exit.or(if found { Exit::Success } else { Exit::Failure }))
    }

    /// The models, and the files of patterns as options of grep.
    fn prepare<'u>(&self, ui: &'u Ui) -> Result<(ModelSet<'u>, Vec<OsString>), Failure> {
        if !self.is_quiet && streams::stdout_is_closed() {
            return Err(Error::StdoutClosed.of(Target::Stdout));
        }
        let mut options = Vec::new();
        for list in &self.lists {
            match list {
                Source::File(path) if list.is_file() => {
                    options.extend(["-f".into(), path.clone().into_os_string()]);
                }
                // It can be read once, but each text has a grep of its own, and standard input is the text.
                list => {
                    let mut patterns = list.read_all(1, ui)?;
                    if patterns.is_empty() {
                        options.extend(["-f".into(), "/dev/null".into()]);
                        continue;
                    }
                    patterns.pop_if(|last| *last == b'\n');
                    let patterns = path(&patterns).ok_or_else(|| Error::NoName.of(list))?;
                    options.extend(["-e".into(), patterns.into_os_string()]);
                }
            }
        }
        Ok((self.models.set(ui)?, options))
    }

    /// Runs grep on a text, and returns its exit code.
    fn search(&self, source: &Source, lists: &[OsString], models: &ModelSet<'_>) -> Result<i32, Failure> {
        let mut input = source.open_compressed()?;
        let is_other = is_other(&mut input).map_err(|error| Error::Read(error).of(source))?;
        let mut command = Command::new("grep");
        let name = match source {
            Source::Stdin => OsString::from("(standard input)"),
            Source::Descriptor(path, _) | Source::File(path) => path.clone().into_os_string(),
        };
        let mut label = OsString::from("--label=");
        label.push(name);
        command.arg(label);
        if self.files.len() > 1 {
            command.arg("-H");
        }
        command
            .args(&self.options)
            .args(lists)
            .arg("--")
            .arg("-")
            .stdin(Stdio::piped());
        let mut child = command.spawn().map_err(Error::NoGrep)?;
        let mut text = Text {
            pipe: child.stdin.take(),
            is_closed: false,
        };
        let decoded = if is_other {
            io::copy(&mut input, &mut text).map(drop).map_err(czip::Error::Io)
        } else {
            czip::decompress_to(models, &mut input, &mut text, &self.decoding).map(drop)
        };
        let is_closed = text.is_closed;
        // It waits for the end of its input.
        drop(text);
        let status = child.wait().map_err(Error::NoGrep)?;
        match decoded {
            Err(_) if is_closed => {}
            Err(czip::Error::Io(error)) => return Err(Error::Read(error).of(source)),
            Err(error) => return Err(models.explain(error).of(source)),
            Ok(()) => {}
        }
        if is_reader_gone(status) {
            return Err(Error::ReaderGone.of(source));
        }
        Ok(status.code().unwrap_or(2))
    }
}

/// As grep has it: 1 would say that nothing was found.
fn exit_of(failure: &Failure) -> Exit {
    match failure.error.exit() {
        Exit::Failure => Exit::Usage,
        other => other,
    }
}

/// Whether grep ended since nobody reads what it finds.
fn is_reader_gone(status: ExitStatus) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::process::ExitStatusExt;
        status.signal() == Some(signal_hook::consts::SIGPIPE)
    }
    #[cfg(not(unix))]
    {
        let _ = status;
        false
    }
}

/// What an option of grep is about.
#[derive(Debug, Default)]
struct Examined {
    value: Value,
    /// Whether the value is the next word.
    wants_value: bool,
    is_quiet: bool,
    recurses: bool,
}

/// What the value of an option is.
#[derive(Debug, Default, PartialEq, Eq)]
enum Value {
    Pattern,
    /// A file of patterns.
    List,
    #[default]
    Other,
}

impl From<&[u8]> for Examined {
    fn from(option: &[u8]) -> Self {
        let mut examined = Self::default();
        if let Some(long) = option.strip_prefix(b"--") {
            let name = long.split(|&byte| byte == b'=').next().unwrap_or(long);
            let has_value = name.len() < long.len();
            let name = String::from_utf8_lossy(name);
            let is = |full: &str| full.strip_prefix("--").is_some_and(|full| *full == *name);
            examined.wants_value = !has_value && LONG_WITH_VALUE.into_iter().any(is);
            match &*name {
                "regexp" => examined.value = Value::Pattern,
                "file" => examined.value = Value::List,
                "quiet" | "silent" => examined.is_quiet = true,
                "recursive" | "dereference-recursive" => examined.recurses = true,
                _ => {}
            }
            return examined;
        }
        for (index, flag) in option.iter().enumerate().skip(1) {
            match flag {
                b'q' => examined.is_quiet = true,
                b'r' | b'R' => examined.recurses = true,
                _ if SHORT_WITH_VALUE.contains(flag) => {
                    examined.wants_value = index + 1 == option.len();
                    match flag {
                        b'e' => examined.value = Value::Pattern,
                        b'f' => examined.value = Value::List,
                        _ => {}
                    }
                    break;
                }
                _ => {}
            }
        }
        examined
    }
}

/// The flags before `f` in an option, and the value in it.
fn split_list(option: &[u8]) -> (&[u8], &[u8]) {
    let is_long = option.starts_with(b"--");
    let mark = if is_long { b'=' } else { b'f' };
    let at = option
        .iter()
        .position(|&byte| byte == mark)
        .unwrap_or(option.len() - 1);
    (if is_long { b"" } else { &option[..at] }, &option[at + 1..])
}

/// The way to grep, which may stop reading when it has found what it wants.
struct Text {
    pipe: Option<std::process::ChildStdin>,
    is_closed: bool,
}

impl Write for Text {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let Some(pipe) = &mut self.pipe else {
            return Ok(buffer.len());
        };
        let written = pipe.write(buffer);
        self.is_closed = written
            .as_ref()
            .is_err_and(|error| error.kind() == io::ErrorKind::BrokenPipe);
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    fn grep(line: &str) -> Result<(String, String), String> {
        let arguments = line.split_whitespace().map(OsString::from).collect();
        let grep = Grep::new(arguments, ModelFiles::only(Vec::new()), Options::new());
        let grep = grep.map_err(|error| error.to_string())?;
        let lists = grep.lists.iter().map(|list| format!("@{list}").into());
        let options: Vec<OsString> = grep.options.iter().cloned().chain(lists).collect();
        let options = options.join(OsStr::new(" ")).into_string().unwrap();
        let files: Vec<String> = grep.files.iter().map(Source::to_string).collect();
        Ok((options, files.join(" ")))
    }

    #[test]
    fn options_are_told_from_files() {
        for (line, options, files) in [
            ("x", "-e x", "<stdin>"),
            ("x a b", "-e x", "a b"),
            ("-in x a -A 3", "-in -A 3 -e x", "a"),
            ("-inA3 x a", "-inA3 -e x", "a"),
            ("-e x a", "-e x", "a"),
            ("-ie x a -ey", "-ie x -ey", "a"),
            ("-f words a", "@words", "a"),
            ("-infwords a", "-in @words", "a"),
            ("-if words -fmore a", "-i @words @more", "a"),
            ("--file words --file=more a", "@words @more", "a"),
            ("-f - a", "@<stdin>", "a"),
            ("--regexp x --color=always a", "--regexp x --color=always", "a"),
            ("--max-count 1 x a", "--max-count 1 -e x", "a"),
            ("-5 x a -", "-5 -e x", "a <stdin>"),
            ("-v -- -x a", "-v -e -x", "a"),
        ] {
            assert_eq!(grep(line), Ok((options.into(), files.into())), "{line}");
        }
        for line in ["", "-i", "--"] {
            assert_eq!(
                grep(line),
                Err("there is no pattern to search for".into()),
                "{line}"
            );
        }
        assert_eq!(grep("a -e"), Err("-e needs a value".into()));
        assert_eq!(grep("-f -"), Err(Error::StdinTwice.to_string()));
        for line in ["-r x a", "-inR x a", "--recursive x a"] {
            assert!(grep(line).unwrap_err().starts_with("grep's -r"), "{line}");
        }
    }
}
