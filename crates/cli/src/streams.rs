//! Standard streams, under all their names, and whether they are there.
//!
//! Where a process starts with a standard stream closed, Rust's runtime opens `/dev/null` in its place before `main`: data
//! that are written there are lost silently, and what is read is an empty text. So it has to be found out before that.

use std::path::Path;

use crate::paths::folder_of;

/// A file descriptor that has a name in the file system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Descriptor {
    /// The process that has it; `None` for this one.
    process: Option<u32>,
    number: u32,
}

impl Descriptor {
    /// What a path stands for, if it is one of the names that systems have for descriptors: `/dev/stdin`, `/dev/fd/3`,
    /// `/proc/self/fd/3`, one of these under another name of its folder, or a symbolic link to one of them.
    pub(crate) fn named(path: &Path) -> Option<Self> {
        // More links than that in a row are a circle.
        const MOST_LINKS: usize = 40;
        if !cfg!(unix) {
            return None;
        }
        let mut path = path.to_owned();
        for _ in 0..MOST_LINKS {
            if let Some(descriptor) = Self::of_name(&path) {
                return Some(descriptor);
            }
            let folder = folder_of(&path)?;
            let name = path.file_name()?;
            if let Ok(folder) = folder.canonicalize()
                && let Some(descriptor) = Self::of_name(&folder.join(name))
            {
                return Some(descriptor);
            }
            path = folder.join(path.read_link().ok()?);
        }
        None
    }

    fn of_name(path: &Path) -> Option<Self> {
        let own = |number| {
            Some(Self {
                process: None,
                number,
            })
        };
        let path = path.to_str()?;
        match path {
            "/dev/stdin" => return own(0),
            "/dev/stdout" => return own(1),
            "/dev/stderr" => return own(2),
            _ => {}
        }
        if let Some(number) = path.strip_prefix("/dev/fd/") {
            return own(digits(number)?);
        }
        let mut parts = path.strip_prefix("/proc/")?.split('/');
        let process = match parts.next()? {
            "self" | "thread-self" => None,
            process => Some(digits(process)?).filter(|&process| process != std::process::id()),
        };
        let mut rest: Vec<&str> = parts.collect();
        if let ["task", _, ..] = rest[..] {
            rest.drain(..2);
        }
        match rest[..] {
            ["fd", number] => Some(Self {
                process,
                number: digits(number)?,
            }),
            _ => None,
        }
    }

    /// Whether it is this process's descriptor of this number.
    pub(crate) fn is(self, number: u32) -> bool {
        self.process.is_none() && self.number == number
    }

    /// Where the next byte is read or written, and with which flags it was opened, where the system tells: on Linux.
    /// There, opening the name again starts over at the beginning of the file.
    pub(crate) fn state(self) -> Option<State> {
        let process = self
            .process
            .map_or_else(|| String::from("self"), |process| process.to_string());
        let info = std::fs::read_to_string(format!("/proc/{process}/fdinfo/{}", self.number)).ok()?;
        let field = |name: &str| {
            info.lines()
                .find_map(|line| line.strip_prefix(name))
                .map(str::trim)
        };
        Some(State {
            position: field("pos:")?.parse().ok()?,
            flags: u32::from_str_radix(field("flags:")?, 8).ok()?,
        })
    }
}

/// What the system says of an open file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct State {
    pub(crate) position: u64,
    flags: u32,
}

impl State {
    /// Whether everything written is appended to the file, wherever others write. The flags are those of Linux.
    pub(crate) fn appends(self) -> bool {
        const ACCESS: u32 = 0o3;
        const APPEND: u32 = 0o2000;
        self.flags & ACCESS != 0 && self.flags & APPEND != 0
    }
}

fn digits(text: &str) -> Option<u32> {
    text.bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| text.parse().ok())?
}

/// Whether standard input was closed when the process started.
pub(crate) fn stdin_is_closed() -> bool {
    closed::CLOSED[0].load(std::sync::atomic::Ordering::Relaxed)
}

/// Whether standard output was closed when the process started.
pub(crate) fn stdout_is_closed() -> bool {
    closed::CLOSED[1].load(std::sync::atomic::Ordering::Relaxed)
}

/// What standard input reads from.
#[cfg(unix)]
pub(crate) fn stdin_metadata() -> Option<std::fs::Metadata> {
    stdin_file()?.metadata().ok()
}

/// What standard output writes to.
#[cfg(unix)]
pub(crate) fn stdout_metadata() -> Option<std::fs::Metadata> {
    use std::os::fd::AsFd;
    let file: std::fs::File = std::io::stdout().as_fd().try_clone_to_owned().ok()?.into();
    file.metadata().ok()
}

/// The bytes that standard input has from here on, if it is a file.
pub(crate) fn stdin_len() -> Option<u64> {
    #[cfg(unix)]
    {
        use std::io::Seek;
        let mut file = stdin_file()?;
        let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
        metadata.len().checked_sub(file.stream_position().ok()?)
    }
    #[cfg(not(unix))]
    None
}

/// Another descriptor of what standard input reads from. It shares the position.
#[cfg(unix)]
fn stdin_file() -> Option<std::fs::File> {
    use std::os::fd::AsFd;
    std::io::stdin().as_fd().try_clone_to_owned().ok().map(Into::into)
}

mod closed {
    use std::sync::atomic::AtomicBool;

    /// Standard input and standard output.
    pub(super) static CLOSED: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

    // SAFETY: before `main` only what needs no runtime may be used. These are two system calls and stores into atomics.
    #[cfg(unix)]
    #[ctor::ctor(unsafe)]
    fn look() {
        use std::sync::atomic::Ordering;
        let streams = [rustix::stdio::stdin(), rustix::stdio::stdout()];
        for (closed, stream) in CLOSED.iter().zip(streams) {
            let found = rustix::io::fcntl_getfd(stream);
            closed.store(found == Err(rustix::io::Errno::BADF), Ordering::Relaxed);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn names_of_descriptors() {
        let folder = tempfile::tempdir().unwrap();
        let link = |name: &str, target: &str| {
            let path = folder.path().join(name);
            std::os::unix::fs::symlink(target, &path).unwrap();
            path
        };
        let output = link("output", "/dev/stdout");
        let twice = link("twice", "output");
        let circle = link("circle", "circle");
        let folders = link("folders", "/dev/fd");
        let own = |number| {
            Some(Descriptor {
                process: None,
                number,
            })
        };
        let process = std::process::id();
        for (path, descriptor) in [
            (Path::new("/dev/stdin"), own(0)),
            (Path::new("/dev/stdout"), own(1)),
            (Path::new("/dev/stderr"), own(2)),
            (Path::new("/dev/fd/63"), own(63)),
            (Path::new("/dev/../dev/fd/63"), own(63)),
            (Path::new("/proc/self/fd/0"), own(0)),
            (Path::new(&format!("/proc/{process}/fd/5")), own(5)),
            (Path::new(&format!("/proc/{process}/task/{process}/fd/5")), own(5)),
            (
                Path::new("/proc/1/fd/5"),
                Some(Descriptor {
                    process: Some(1),
                    number: 5,
                }),
            ),
            (&folders.join("7"), own(7)),
            (&output, own(1)),
            (&twice, own(1)),
            (&circle, None),
            (Path::new("/dev/fd/"), None),
            (Path::new("/dev/fd/+1"), None),
            (Path::new("/dev/fd/1/x"), None),
            (Path::new("/proc/1/fdinfo/1"), None),
            (Path::new("/dev/null"), None),
            (Path::new("dev/stdin"), None),
            (Path::new("stdin"), None),
        ] {
            if path.starts_with("/proc") && !Path::new("/proc/self/fd").exists() {
                continue;
            }
            assert_eq!(Descriptor::named(path), descriptor, "{}", path.display());
        }
    }
}
