//! What must not be lost, whatever is named as input and output, and however the program ends.

use std::fs;
use std::path::Path;

use crate::files::IS_INPUT;
use crate::run::{Finished, Folder, TEXT, model};

/// Coding as bytes: it needs no model, and is quick.
fn none() -> &'static Path {
    Path::new("none")
}

#[test]
fn output_that_is_another_input_is_refused_before_anything_is_written() {
    let folder = Folder::with_text();
    folder.write("notes.txt.czip", "precious");
    let finished = folder
        .czip(none(), ["compress", "-f", "-L1", "notes.txt", "notes.txt.czip"])
        .exits(2);
    assert!(
        finished
            .stderr()
            .contains(&format!("czip: notes.txt.czip: {IS_INPUT}\n")),
        "{}",
        finished.stderr()
    );
    assert_eq!(folder.read("notes.txt.czip"), b"precious");
    assert_eq!(
        folder.names(),
        ["notes.txt", "notes.txt.czip", "notes.txt.czip.czip"]
    );
    // An input that is not there yet would be another's output.
    folder.write("new", TEXT);
    folder
        .czip(none(), ["compress", "-L1", "new", "new.czip"])
        .exits(1);
    assert!(!folder.path("new.czip").exists());
}

#[test]
fn outputs_are_compared_with_inputs_of_all_groups() {
    let folder = Folder::new();
    let names: Vec<String> = (0..140).map(|number| format!("text{number}")).collect();
    for name in &names {
        folder.write(name, TEXT);
    }
    // Files are coded in groups: this input is read long after its name as an output comes up.
    folder.write("text0.czip", "precious");
    let arguments = ["compress", "-qf", "-L1"].into_iter();
    let arguments = arguments
        .chain(names.iter().map(String::as_str))
        .chain(["text0.czip"]);
    folder.czip(none(), arguments).exits(2);
    assert_eq!(folder.read("text0.czip"), b"precious");
    assert!(folder.path("text0.czip.czip").exists());
    assert!(folder.path("text139.czip").exists());
}

#[test]
fn two_inputs_have_no_common_output() {
    let folder = Folder::with_text();
    let finished = folder
        .czip(none(), ["compress", "-f", "-L1", "notes.txt", "./notes.txt"])
        .exits(2);
    assert!(
        finished
            .stderr()
            .contains("czip: ./notes.txt.czip: is the same file as another output\n"),
        "{}",
        finished.stderr()
    );
    assert_eq!(folder.names(), ["notes.txt", "notes.txt.czip"]);
}

#[test]
fn number_of_threads_is_bounded() {
    let folder = Folder::with_text();
    folder.czip(none(), ["compress", "-L1", "notes.txt"]).exits(0);
    for threads in ["1025", "2199023255552", "18446744073709551615"] {
        let arguments = ["decompress", "-T", threads, "notes.txt.czip", "-o", "out"];
        folder.czip(none(), arguments).exits(2);
    }
    let arguments = ["decompress", "-T", "1024", "notes.txt.czip", "-o", "out"];
    folder.czip(none(), arguments).exits(0);
    assert_eq!(folder.read("out"), TEXT.as_bytes());
}

#[test]
fn stale_temporary_files_are_removed() {
    let folder = Folder::with_text();
    folder.write(".czip-abc123.tmp", "left by a run that was killed");
    folder.write(".czip-mine.tmp", "another's");
    folder.czip(none(), ["compress", "-L1", "notes.txt"]).exits(0);
    assert_eq!(folder.names(), [".czip-mine.tmp", "notes.txt", "notes.txt.czip"]);
}

/// What a killed run has left may be all that there is.
#[test]
fn inputs_that_look_like_stale_files_are_kept() {
    let folder = Folder::with_text();
    let name = ".czip-abc123.tmp";
    folder
        .czip(none(), ["compress", "-L1", "notes.txt", "-o", name])
        .exits(0);
    let file = folder.read(name);
    let cut = &file[..file.len() - 9];
    folder.write(name, cut);
    folder.czip(none(), ["decompress", name, "-o", "lost"]).exits(4);
    folder
        .czip(none(), ["decompress", "--recover", name, "-o", "saved"])
        .exits(4);
    assert_eq!(folder.read(name), cut);
    #[cfg(unix)]
    {
        shell(&folder, &format!("$czip compress -L1 - -o out <{name}")).exits(0);
        folder.write("list", format!("{name}\n"));
        shell(&folder, "$czip compress -f -L1 -o out --files-from list").exits(0);
        assert_eq!(folder.read(name), cut);
    }
}

#[cfg(unix)]
#[test]
fn lists_are_inputs_under_every_name() {
    let folder = Folder::with_text();
    folder.write("list", "notes.txt\n");
    for line in [
        "$czip compress -f -o list --files-from list",
        "$czip compress -f -o list --files-from - <list",
        "$czip compress -f -o list --files-from /dev/fd/3 3<list",
        "$czip compress --files-from - -o /dev/stdout <list >>list",
    ] {
        let refused = shell(&folder, line).exits(2);
        assert!(
            refused.stderr().contains("is also an input"),
            "{line}: {}",
            refused.stderr()
        );
        assert_eq!(folder.read("list"), b"notes.txt\n", "{line}");
    }
}

#[cfg(unix)]
#[test]
fn earlier_failures_are_not_forgotten() {
    let folder = Folder::with_text();
    folder.czip(none(), ["compress", "-L1", "notes.txt"]).exits(0);
    folder.write("damaged.czip", &folder.read("notes.txt.czip")[..20]);
    shell(&folder, "$czip -tq none damaged.czip").exits(1);
    shell(&folder, "$czip -tq damaged.czip none").exits(1);
    let line = "{ $czip -dc none notes.txt.czip; echo $? >code; } | :";
    shell(&folder, line).exits(0);
    assert_eq!(folder.read("code"), b"1\n");
}

/// A descriptor begins where it is.
#[cfg(unix)]
#[test]
fn parts_count_from_where_a_descriptor_is() {
    let folder = Folder::with_text();
    folder.czip(none(), ["compress", "-L1", "notes.txt"]).exits(0);
    folder.write("two", [b"before", &folder.read("notes.txt.czip")[..]].concat());
    for command in ["cat --range 2..9 /dev/fd/3", "cat --range 2..9 -"] {
        let line = format!("{{ head -c 6 >first; $czip {command} 3<&0; }} <two");
        let part = shell(&folder, &line).exits(0);
        assert_eq!(part.stdout(), &TEXT.as_bytes()[2..9], "{command}");
    }
}

/// What a shell makes of a line in which `$czip` is the program.
#[cfg(unix)]
pub(crate) fn shell(folder: &Folder, line: &str) -> Finished {
    let mut command = folder.command_called("sh");
    command
        .env("CZIP_MODEL", "none")
        .env("czip", env!("CARGO_BIN_EXE_czip"));
    Finished(command.args(["-c", line]).output().unwrap())
}

#[cfg(unix)]
#[test]
fn streams_have_names() {
    let folder = Folder::with_text();
    let file = shell(&folder, "$czip compress -L1 - <notes.txt").exits(0);
    let file = file.stdout();
    let appended = [b"before", file].concat();

    for (output, stream) in [
        ("/dev/stdout", ">>out"),
        ("/dev/fd/1", ">>out"),
        ("/dev/fd/3", "3>>out"),
        ("link", ">>out"),
    ] {
        for force in ["", "-f"] {
            folder.write("out", "before");
            let _ = std::os::unix::fs::symlink("/dev/stdout", folder.path("link"));
            let line = format!("$czip compress {force} -L1 notes.txt -o {output} {stream}");
            shell(&folder, &line).exits(0);
            assert_eq!(folder.read("out"), appended, "{line}");
        }
    }
    for line in [
        "$czip compress -L1 /dev/stdin <notes.txt",
        "cat notes.txt | $czip compress -L1 /dev/stdin",
        "$czip compress -L1 /dev/fd/3 3<notes.txt",
    ] {
        assert_eq!(shell(&folder, line).exits(0).stdout(), file, "{line}");
    }
    assert_eq!(folder.names(), ["link", "notes.txt", "out"]);
}

#[cfg(unix)]
#[test]
fn closed_streams_are_errors() {
    let folder = Folder::with_text();
    shell(&folder, "$czip compress -L1 notes.txt").exits(0);
    for line in [
        "$czip compress notes.txt -o - >&-",
        "$czip decompress notes.txt.czip -o - >&-",
        "$czip decompress notes.txt.czip -o /dev/stdout >&-",
        "$czip info notes.txt.czip >&-",
        "$czip verify --json notes.txt >&-",
    ] {
        let finished = shell(&folder, line).exits(1);
        assert!(
            finished.stderr().ends_with("standard output is closed\n"),
            "{line}: {}",
            finished.stderr()
        );
    }
    for line in [
        "$czip compress - -o out <&-",
        "$czip compress /dev/stdin -o out <&-",
        "$czip decompress - -o out <&-",
        "$czip verify - <&-",
    ] {
        shell(&folder, line).fails(1, "<stdin>: standard input is closed");
    }
    // What is only redirected to nowhere is as good as any other stream.
    shell(
        &folder,
        "$czip decompress notes.txt.czip -o - <>/dev/null 1<>/dev/null",
    )
    .exits(0);
    assert_eq!(folder.names(), ["notes.txt", "notes.txt.czip"]);
}

#[cfg(unix)]
#[test]
fn pipe_does_not_keep_other_inputs_waiting() {
    let folder = Folder::with_text();
    shell(&folder, "mkfifo pipe").exits(0);
    let message = "pipe: is a pipe or a device, which might block the other inputs; process it on its own";
    let finished = shell(&folder, "$czip compress -L1 pipe notes.txt").exits(1);
    assert!(
        finished
            .stderr()
            .contains("warning: pipe: skipped: it is not a regular file; -o reads it all the same\n"),
        "{}",
        finished.stderr()
    );
    for command in ["info", "verify", "bench -L1"] {
        let finished = shell(&folder, &format!("$czip {command} pipe notes.txt"));
        assert!(
            finished.stderr().contains(&format!("czip: {message}\n")),
            "{command}: {}",
            finished.stderr()
        );
    }
    assert_eq!(folder.names(), ["notes.txt", "notes.txt.czip", "pipe"]);
    shell(&folder, "cat notes.txt >pipe & $czip compress -L1 pipe -o out").exits(0);
    assert_eq!(folder.read("out"), folder.read("notes.txt.czip"));
}

#[cfg(unix)]
#[test]
fn only_standard_output_may_end_early() {
    let folder = Folder::new();
    // More than a pipe holds.
    folder.write("long", vec![b'x'; 1 << 20]);
    shell(&folder, "$czip compress -L1 long; mkfifo pipe").exits(0);
    let finished = shell(
        &folder,
        "head -c 1 <pipe >first & $czip decompress long.czip -o pipe; code=$?; wait; exit $code",
    );
    assert!(
        finished.stderr().starts_with("czip: pipe: cannot write: "),
        "{}",
        finished.stderr()
    );
    finished.exits(1);
    assert_eq!(folder.read("first"), b"x");
    shell(&folder, "$czip decompress -q long.czip -o - | head -c 1 >first").exits(0);
}

#[cfg(unix)]
#[test]
fn many_files_need_few_descriptors() {
    let folder = Folder::new();
    let names: Vec<String> = (0..200).map(|number| format!("text{number}")).collect();
    for name in &names {
        folder.write(name, TEXT);
    }
    shell(&folder, "ulimit -n 32; $czip compress -q -L1 text*").exits(0);
    for name in &names {
        fs::remove_file(folder.path(name)).unwrap();
    }
    shell(&folder, "ulimit -n 32; $czip decompress -q text*.czip").exits(0);
    for name in &names {
        assert_eq!(folder.read(name), TEXT.as_bytes());
    }
}

#[cfg(unix)]
#[test]
fn output_longer_than_files_may_be_is_an_error() {
    let folder = Folder::new();
    folder.write("long", vec![b'x'; 1 << 20]);
    shell(&folder, "$czip compress -L1 long").exits(0);
    // Shells count in kilobytes or half of that.
    let finished = shell(&folder, "ulimit -f 100; $czip decompress long.czip -o out").exits(1);
    assert!(
        finished.stderr().starts_with("czip: out: cannot write: "),
        "{}",
        finished.stderr()
    );
    assert_eq!(folder.names(), ["long", "long.czip"]);
}

/// The process waits for its input when the signal comes.
#[cfg(target_os = "linux")]
#[test]
fn signals_leave_no_file() {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    // A process that was started with signals ignored leaves them so, and its children inherit that.
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = u64::from_str_radix(ignored.unwrap().trim(), 16).unwrap();

    let waiting = |folder: &Folder, line: &str| {
        let mut command = folder.command_called("sh");
        command
            .env("CZIP_MODEL", "none")
            .env("czip", env!("CARGO_BIN_EXE_czip"))
            .args(["-c", line]);
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        while folder.names().is_empty() {
            assert_eq!(child.try_wait().unwrap(), None);
            sleep(Duration::from_millis(5));
        }
        child
    };
    let kill = |child: &Child, signal: i32| {
        let signal = format!("-{signal}");
        let status = Command::new("kill")
            .args([signal, child.id().to_string()])
            .status();
        assert!(status.unwrap().success());
    };
    // To wait in one call would close its input, and let it come to its own end.
    let ended = |child: &mut Child| loop {
        match child.try_wait().unwrap() {
            Some(status) => break status,
            None => sleep(Duration::from_millis(5)),
        }
    };
    let plain = "ulimit -c 0; exec $czip compress -q - -o out";
    // Hangup, interrupt, quit, user's two, alarm, terminate, time limit, timers.
    for signal in [1, 2, 3, 10, 12, 14, 15, 24, 26, 27] {
        if ignored >> (signal - 1) & 1 == 1 {
            continue;
        }
        let folder = Folder::new();
        let mut child = waiting(&folder, plain);
        kill(&child, signal);
        let status = ended(&mut child);
        assert_eq!(status.signal(), Some(signal), "{status}");
        assert_eq!(folder.names(), [""; 0], "{signal}");
    }

    // With some ignored, they stay so, and the others leave no file either.
    let folder = Folder::new();
    let mut child = waiting(&folder, "trap '' INT HUP; exec $czip compress -q - -o out");
    kill(&child, 2);
    kill(&child, 1);
    kill(&child, 15);
    // Had one of the first two ended it, that would be told here.
    assert_eq!(ended(&mut child).signal(), Some(15));
    assert_eq!(folder.names(), [""; 0]);
}

#[test]
fn model_is_not_overwritten_by_what_is_made_with_it() {
    let Some(model) = model() else { return };
    let folder = Folder::with_text();
    fs::copy(&model, folder.path("m.czm")).unwrap();
    let arguments = ["compress", "-f", "-m", "m.czm", "notes.txt", "-o", "m.czm"];
    folder
        .czip(none(), arguments)
        .fails(2, &format!("m.czm: {IS_INPUT}"));
    assert_eq!(folder.read("m.czm"), fs::read(&model).unwrap());
}

#[test]
fn what_is_not_damaged_can_be_restored() {
    let folder = Folder::new();
    let text: String = (0..1000)
        .map(|number| format!("line {number} of many\n"))
        .collect();
    folder.write("text", &text);
    folder
        .czip(none(), ["compress", "-L1", "--segment", "4K", "text"])
        .exits(0);
    let file = folder.read("text.czip");
    let mut damaged = file.clone();
    // The first segment starts after a header of four bytes.
    damaged[20] ^= 1;
    folder.write("damaged.czip", &damaged);
    folder.czip(none(), ["decompress", "damaged.czip"]).exits(4);
    assert!(!folder.path("damaged").exists());

    let finished = folder
        .czip(none(), ["decompress", "-q", "--recover", "damaged.czip"])
        .exits(4);
    let stderr = finished.stderr();
    let lines: Vec<&str> = stderr.lines().collect();
    assert_eq!(lines.len(), 2, "{stderr}");
    let start = "czip: damaged.czip: bytes 0 to 4095 of the text are missing (bytes 4 to ";
    assert!(lines[0].starts_with(start), "{stderr}");
    assert!(
        lines[0].contains(": segment 0 of member 0, at byte 4: "),
        "{stderr}"
    );
    let rest = &text.as_bytes()[4096..];
    let end = format!(
        "czip: damaged: only {} bytes of the text were restored",
        rest.len()
    );
    assert_eq!(lines[1], end);
    assert_eq!(folder.read("damaged"), rest);

    // From a stream, and of a file that was cut short.
    let cut = &file[..file.len() / 2];
    let restored = folder
        .pipe(none(), ["decompress", "-", "--recover"], cut)
        .exits(4);
    let len = restored.stdout().len();
    assert!(len > 0 && len.is_multiple_of(4096), "{len}");
    assert_eq!(restored.stdout(), &text.as_bytes()[..len]);
    let message = format!("czip: <stdin>: text of unknown length is missing from byte {len} on (bytes ");
    assert!(restored.stderr().starts_with(&message), "{}", restored.stderr());

    // What is whole is restored as ever.
    fs::remove_file(folder.path("text")).unwrap();
    folder
        .czip(none(), ["decompress", "--recover", "text.czip", "none.czip"])
        .exits(1);
    assert_eq!(folder.read("text"), text.as_bytes());

    // What is there may be more than can be restored.
    folder.write("damaged", "precious");
    let kept = folder
        .czip(none(), ["decompress", "-f", "--recover", "damaged.czip"])
        .exits(4);
    let end = format!(
        "\nczip: damaged: has been left unchanged, since only {} bytes of the text were restored; name another output with -o\n",
        rest.len()
    );
    assert!(kept.stderr().ends_with(&end), "{}", kept.stderr());
    assert_eq!(folder.read("damaged"), b"precious");
    // Without anything to restore there is no output; the reason is the exit code.
    folder.write("nothing.czip", "no file at all");
    folder
        .czip(none(), ["decompress", "--recover", "nothing.czip"])
        .exits(4);
    let arguments = [
        "decompress",
        "--recover",
        "--max-output",
        "10",
        "text.czip",
        "-o",
        "nothing",
    ];
    folder.czip(none(), arguments).exits(1);
    assert!(!folder.path("nothing").exists());
}

#[test]
fn files_may_demand_no_more_than_the_limits() {
    let folder = Folder::new();
    folder.write("long", TEXT.repeat(1000));
    folder.czip(none(), ["compress", "-q", "-L5", "long"]).exits(0);
    let text_len = TEXT.len() * 1000;
    let less = (text_len - 1).to_string();
    let message = format!("long.czip: file declares {text_len} bytes of text, more than the limit of {less}");
    let arguments = ["decompress", "--max-output", &less, "long.czip", "-o", "out"];
    folder.czip(none(), arguments).fails(1, &message);
    let arguments = ["info", "--max-output", &less, "long.czip"];
    folder.czip(none(), arguments).fails(1, &message);
    let refused = folder
        .czip(none(), ["decompress", "--memory", "1M", "long.czip", "-o", "out"])
        .exits(1);
    let stderr = refused.stderr();
    assert!(stderr.starts_with("czip: long.czip: needs "), "{stderr}");
    assert!(
        stderr.ends_with(" bytes of memory, more than the limit of 1048576; raise it with --memory\n"),
        "{stderr}"
    );
    assert_eq!(folder.names(), ["long", "long.czip"]);

    let enough = text_len.to_string();
    let arguments = [
        "decompress",
        "--max-output",
        &enough,
        "--memory",
        "256M",
        "long.czip",
        "-o",
        "out",
    ];
    folder.czip(none(), arguments).exits(0);
    assert!(folder.read("out") == folder.read("long"));
    folder
        .czip(none(), ["info", "--max-output", &enough, "long.czip"])
        .exits(0);
    let file_len = folder.read("long.czip").len();
    let less = (file_len - 1).to_string();
    folder.czip(none(), ["info", "--memory", &less, "long.czip"]).fails(
        1,
        &format!("long.czip: needs {file_len} bytes of memory, more than the limit of {less}; raise it with --memory"),
    );
    folder
        .czip(none(), ["info", "--memory", &file_len.to_string(), "long.czip"])
        .exits(0);
}

#[cfg(unix)]
#[test]
fn stream_that_writes_to_an_input_is_refused() {
    let folder = Folder::with_text();
    shell(&folder, "$czip compress -q -L1 notes.txt").exits(0);
    let before = [folder.read("notes.txt"), folder.read("notes.txt.czip")];
    for line in [
        "$czip compress -L1 notes.txt -o - >>notes.txt",
        "$czip compress -L1 - <notes.txt >>notes.txt",
        "$czip compress -L1 notes.txt -o /dev/fd/3 3>>notes.txt",
        "$czip compress -L1 /dev/fd/3 -o /dev/fd/4 3<notes.txt 4>>notes.txt",
        "$czip decompress notes.txt.czip -o - >>notes.txt.czip",
        "$czip decompress --recover notes.txt.czip -o - >>notes.txt.czip",
    ] {
        let finished = shell(&folder, line).exits(2);
        assert!(
            finished.stderr().ends_with(&format!("{IS_INPUT}\n")),
            "{line}: {}",
            finished.stderr()
        );
        assert_eq!(
            [folder.read("notes.txt"), folder.read("notes.txt.czip")],
            before,
            "{line}"
        );
    }
    // One input of several.
    let line = "$czip compress -q -f -L1 - notes.txt <other >>other";
    folder.write("other", "precious");
    shell(&folder, line).exits(2);
    assert_eq!(folder.read("other"), b"precious");
    assert_eq!(folder.read("notes.txt.czip"), before[1]);
}

#[cfg(target_os = "linux")]
#[test]
fn descriptors_go_on_where_they_are() {
    let folder = Folder::with_text();
    let file = shell(&folder, "$czip compress -L1 - <notes.txt")
        .exits(0)
        .stdout()
        .to_vec();
    // Something else may be written before and after.
    let line = "exec 3>>out; echo before >&3; $czip compress -q -L1 notes.txt -o /dev/fd/3; echo after >&3";
    shell(&folder, line).exits(0);
    assert_eq!(folder.read("out"), [b"before\n", &file[..], b"after\n"].concat());
    for line in [
        // What is written after would be written over.
        "exec 3>other; echo before >&3; $czip compress -L1 notes.txt -o /dev/fd/3",
        "exec 3<other; $czip compress -L1 notes.txt -o /dev/fd/3",
    ] {
        shell(&folder, line).fails(
            1,
            "/dev/fd/3: is a file that is not open for appending; name the file itself, or open it with >>",
        );
        assert_eq!(folder.read("other"), b"before\n");
    }
    folder.write("lines", format!("first\n{TEXT}"));
    let line = "exec 3<lines; read first <&3; $czip compress -L1 /dev/fd/3";
    assert_eq!(shell(&folder, line).exits(0).stdout(), file);
    // Also under other names of the folder.
    for output in ["fds/1", "/proc/$$/fd/1"] {
        folder.write("out", "before");
        let line = format!("ln -sf /dev/fd fds; exec $czip compress -q -f -L1 notes.txt -o {output} >>out");
        shell(&folder, &line).exits(0);
        assert_eq!(folder.read("out"), [b"before", &file[..]].concat(), "{output}");
        let _ = fs::remove_file(folder.path("fds"));
    }
}

#[cfg(unix)]
#[test]
fn outputs_that_are_links_to_one_another_are_refused() {
    let folder = Folder::with_text();
    folder.write("other", "another text");
    std::os::unix::fs::symlink("other.czip", folder.path("notes.txt.czip")).unwrap();
    let line = "$czip compress -q -f -L1 other notes.txt";
    let finished = shell(&folder, line).exits(2);
    assert_eq!(
        finished.stderr(),
        "czip: notes.txt.czip: is the same file as another output\n"
    );
    let restored = shell(&folder, "$czip decompress other.czip -o -").exits(0);
    assert_eq!(restored.stdout(), b"another text");
    // And now that the link leads somewhere.
    shell(&folder, line).exits(2);
    // A single one is made where the link leads to.
    fs::remove_file(folder.path("other.czip")).unwrap();
    shell(&folder, "$czip compress -q -f -L1 notes.txt").exits(0);
    assert!(folder.path("notes.txt.czip").is_symlink());
    let restored = shell(&folder, "$czip decompress other.czip -o -").exits(0);
    assert_eq!(restored.stdout(), TEXT.as_bytes());
}

#[cfg(unix)]
#[test]
fn reader_that_is_gone_hides_nothing_else() {
    let folder = Folder::with_text();
    folder.write("long", vec![b'x'; 1 << 20]);
    shell(&folder, "$czip compress -q -L1 long").exits(0);
    folder.write("bad.czip", "no file at all");
    // What goes elsewhere is made all the same.
    let line = "($czip decompress -q - long.czip -f <long.czip; echo $? >code) | true; cat code";
    fs::remove_file(folder.path("long")).unwrap();
    assert_eq!(shell(&folder, line).stdout(), b"0\n");
    assert_eq!(folder.read("long").len(), 1 << 20);
    // The earlier fault is reported.
    let line = "($czip info bad.czip long.czip; echo $? >code) 2>/dev/null | true; cat code";
    assert_eq!(shell(&folder, line).stdout(), b"4\n");
}
