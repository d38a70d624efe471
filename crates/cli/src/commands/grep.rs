//! `czip grep`: texts of compressed files go through the system's grep.
//!
//! Names are handed to grep as they are, and no shell comes between.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use czip::Options;

use crate::error::{Error, Failure};
use crate::exit::Exit;
use crate::input::Source;
use crate::models::{ModelFiles, ModelSet};
use crate::ui::Ui;

/// What to search for, and where.
#[derive(Debug)]
pub(crate) struct Grep {
    /// Those of grep, and the pattern.
    options: Vec<OsString>,
    files: Vec<Source>,
    models: ModelFiles,
    decoding: Options,
}

/// Short options of grep that have a value.
const SHORT_WITH_VALUE: &[u8] = b"efmABCdD";

/// Long ones, whose value may be a word of its own.
const LONG_WITH_VALUE: [&str; 13] = [
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
];

impl Grep {
    /// Tells options from files. The arguments are those of grep.
    pub(crate) fn new(
        arguments: Vec<OsString>,
        models: ModelFiles,
        decoding: Options,
    ) -> Result<Self, Failure> {
        let (mut options, mut rest) = (Vec::new(), Vec::new());
        let mut has_pattern = false;
        let mut arguments = arguments.into_iter();
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
            let (wants_value, is_pattern, recurses) = examine(bytes);
            if recurses {
                let message = "grep's -r reads no compressed files; name the files, as find or a pattern of the shell lists them";
                return Err(Error::Grep(message.into()).into());
            }
            has_pattern |= is_pattern;
            options.push(argument);
            if wants_value {
                options.extend(arguments.next());
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
        Ok(Self {
            options,
            files,
            models,
            decoding,
        })
    }

    /// The exit code is that of grep: 0 if something was found, 1 if not; after an error 2, or that of the error above.
    pub(crate) fn run(&self, ui: &Ui) -> Result<Exit, Failure> {
        ui.leave_stdout_to_data();
        let models = self.models.set(ui)?;
        let mut exit = Exit::Success;
        let mut found = false;
        for source in &self.files {
            let searched = source
                .check_among(self.files.len())
                .and_then(|()| self.search(source, &models));
            match searched {
                Ok(0) => found = true,
                Ok(1) => {}
                // It has said why.
                Ok(_) => exit = exit.or(Exit::Usage),
                Err(failure) => {
                    ui.failure(&failure);
                    // That of failures would say that nothing was found.
                    exit = exit.or(match failure.error.exit() {
                        Exit::Failure => Exit::Usage,
                        other => other,
                    });
                }
            }
        }
        Ok(exit.or(if found { Exit::Success } else { Exit::Failure }))
    }

    /// Runs grep on a text, and returns its exit code.
    fn search(&self, source: &Source, models: &ModelSet<'_>) -> Result<i32, Failure> {
        let mut input = source.open_compressed()?;
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
            .arg("--")
            .arg("-")
            .stdin(Stdio::piped());
        let mut child = command.spawn().map_err(Error::NoGrep)?;
        let mut text = Text {
            pipe: child.stdin.take(),
            is_closed: false,
        };
        let decoded = czip::decompress_to(models, &mut input, &mut text, &self.decoding);
        let is_closed = text.is_closed;
        // It waits for the end of its input.
        drop(text);
        let status = child.wait().map_err(Error::NoGrep)?;
        match decoded {
            Err(_) if is_closed => {}
            Err(czip::Error::Io(error)) => return Err(Error::Read(error).of(source)),
            Err(error) => return Err(models.explain(error).of(source)),
            Ok(_) => {}
        }
        Ok(status.code().unwrap_or(2))
    }
}

/// Whether an option has a value in the next word, is a pattern or a file of patterns, and reads folders.
fn examine(option: &[u8]) -> (bool, bool, bool) {
    if let Some(long) = option.strip_prefix(b"--") {
        let name = long.split(|&byte| byte == b'=').next().unwrap_or(long);
        let has_value = name.len() < long.len();
        let name = String::from_utf8_lossy(name);
        let is = |full: &str| full.strip_prefix("--").is_some_and(|full| *full == *name);
        let wants = !has_value && LONG_WITH_VALUE.into_iter().any(is);
        return (
            wants,
            *name == *"regexp" || *name == *"file",
            *name == *"recursive" || *name == *"dereference-recursive",
        );
    }
    for (index, flag) in option.iter().enumerate().skip(1) {
        if matches!(flag, b'r' | b'R') {
            return (false, false, true);
        }
        if SHORT_WITH_VALUE.contains(flag) {
            return (index + 1 == option.len(), matches!(flag, b'e' | b'f'), false);
        }
    }
    (false, false, false)
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
        let options = grep.options.join(OsStr::new(" ")).into_string().unwrap();
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
            ("-f words a", "-f words", "a"),
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
        for line in ["-r x a", "-inR x a", "--recursive x a"] {
            assert!(grep(line).unwrap_err().starts_with("grep's -r"), "{line}");
        }
    }
}
