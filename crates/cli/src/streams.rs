//! Standard streams, under all their names, and whether they are there.
//!
//! Where a process starts with a standard stream closed, Rust's runtime opens `/dev/null` in its place before `main`: data
//! that are written there are lost silently, and what is read is an empty text. So it has to be known before that.

use std::path::{Path, PathBuf};

/// The number of the file descriptor that a path stands for, if it is one of the names that systems have for those:
/// `/dev/stdin`, `/dev/fd/3`, `/proc/self/fd/3`, or a symbolic link to one of them.
pub(crate) fn descriptor(path: &Path) -> Option<u32> {
    // More links than that in a row are a circle.
    const MOST_LINKS: usize = 40;
    if !cfg!(unix) {
        return None;
    }
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        if let Some(number) = named(&path) {
            return Some(number);
        }
        let target = path.read_link().ok()?;
        path = path
            .parent()
            .map_or_else(PathBuf::new, Path::to_owned)
            .join(target);
    }
    None
}

fn named(path: &Path) -> Option<u32> {
    let path = path.to_str()?;
    match path {
        "/dev/stdin" => return Some(0),
        "/dev/stdout" => return Some(1),
        "/dev/stderr" => return Some(2),
        _ => {}
    }
    let number = ["/dev/fd/", "/proc/self/fd/", "/proc/thread-self/fd/"]
        .iter()
        .find_map(|folder| path.strip_prefix(folder))?;
    let digits = number.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| number.parse().ok())?
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
        for (path, number) in [
            (Path::new("/dev/stdin"), Some(0)),
            (Path::new("/dev/stdout"), Some(1)),
            (Path::new("/dev/stderr"), Some(2)),
            (Path::new("/dev/fd/63"), Some(63)),
            (Path::new("/proc/self/fd/0"), Some(0)),
            (&output, Some(1)),
            (&twice, Some(1)),
            (&circle, None),
            (Path::new("/dev/fd/"), None),
            (Path::new("/dev/fd/+1"), None),
            (Path::new("/dev/fd/1/x"), None),
            (Path::new("/dev/null"), None),
            (Path::new("dev/stdin"), None),
            (Path::new("stdin"), None),
        ] {
            assert_eq!(descriptor(path), number, "{}", path.display());
        }
    }
}
