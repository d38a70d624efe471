//! What people know from zstd and xz: `docs/habits.md` has the table.

use std::fs;
use std::path::Path;

#[cfg(unix)]
use crate::losses::shell;
use crate::run::{Finished, Folder, TEXT};

/// Runs `czip` without a model, which is quick, and expects this exit code.
fn czip(folder: &Folder, line: &str, code: i32) -> Finished {
    folder.czip("none".as_ref(), line.split_whitespace()).exits(code)
}

/// `czip` as a filter.
fn filter(folder: &Folder, line: &str, input: &[u8]) -> Vec<u8> {
    let arguments: Vec<&str> = line.split_whitespace().collect();
    let finished = match arguments[..] {
        [] => folder.pipe(Path::new("none"), [], input),
        [a] => folder.pipe(Path::new("none"), [a], input),
        [a, b] => folder.pipe(Path::new("none"), [a, b], input),
        [a, b, c] => folder.pipe(Path::new("none"), [a, b, c], input),
        _ => panic!("{line}"),
    };
    let finished = finished.exits(0);
    assert_eq!(finished.stderr(), "", "{line}");
    finished.stdout().to_owned()
}

/// A compressed file of a text that is longer than those that are read and held.
fn long_file(text: &[u8]) -> Vec<u8> {
    use czip::v2::container::{Header, Writer};
    let header = Header {
        level: czip::Level::MIN,
        model: None,
    };
    let mut writer = Writer::new(Vec::new(), header);
    writer.write_stored(true, text).unwrap();
    writer.finish().unwrap()
}

#[test]
fn files_are_compressed_and_restored_beside_themselves() {
    let folder = Folder::with_text();
    folder.write("b", "another text");
    czip(&folder, "notes.txt b", 0);
    assert_eq!(folder.names(), ["b", "b.czip", "notes.txt", "notes.txt.czip"]);
    for name in ["b", "notes.txt"] {
        fs::remove_file(folder.path(name)).unwrap();
    }
    czip(&folder, "-d notes.txt.czip b.czip", 0);
    assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
    assert_eq!(folder.read("b"), b"another text");
    // Nothing is replaced unasked.
    czip(&folder, "-d b.czip", 1);
    czip(&folder, "b", 1);
    folder.write("b", "changed");
    czip(&folder, "-dkf b.czip", 0);
    assert_eq!(folder.read("b"), b"another text");
    czip(&folder, "--decompress --keep --force b.czip", 0);
    czip(&folder, "--uncompress -f b.czip", 0);
    czip(&folder, "-z -9kf b", 0);
    czip(&folder, "-d -o c -- b.czip", 0);
    assert_eq!(folder.read("c"), b"another text");
}

#[test]
fn filters_between_streams() {
    let folder = Folder::new();
    let file = filter(&folder, "", TEXT.as_bytes());
    assert_eq!(file[..3], *b"\xfacz");
    for line in ["-", "-c", "-c -", "-z", "compress -"] {
        assert_eq!(filter(&folder, line, TEXT.as_bytes()), file, "{line}");
    }
    for line in [
        "-d",
        "-dc",
        "-d -",
        "-dc -",
        "decompress -",
        "cat",
        "cat -",
        "-dcf -",
    ] {
        assert_eq!(filter(&folder, line, &file), TEXT.as_bytes(), "{line}");
    }
    // Nothing to restore is an empty text only if it says so.
    folder.pipe("none".as_ref(), ["-d"], b"").exits(4);
    let empty = filter(&folder, "", b"");
    assert_eq!(filter(&folder, "-d", &empty), b"");
    // A name for the output makes a file of a stream.
    let to_file = folder
        .pipe("none".as_ref(), ["-o", "out"], TEXT.as_bytes())
        .exits(0);
    assert_eq!(to_file.stdout(), b"");
    assert_eq!(folder.read("out"), file);
    folder.pipe("none".as_ref(), ["-t"], &file).exits(0);
    folder
        .pipe("none".as_ref(), ["-t"], &file[..file.len() - 1])
        .exits(4);
}

#[test]
fn outputs_on_standard_output_follow_each_other() {
    let folder = Folder::with_text();
    folder.write("b", "another text\n");
    let joined = czip(&folder, "-1c notes.txt b", 0);
    assert_eq!(joined.stderr(), "");
    czip(&folder, "-1 notes.txt b", 0);
    let both = [folder.read("notes.txt.czip"), folder.read("b.czip")].concat();
    assert_eq!(joined.stdout(), both);
    let compressed = czip(&folder, "compress -1 --stdout notes.txt b", 0);
    assert_eq!(compressed.stdout(), both);
    folder.write("joined.czip", both);

    let long = vec![7; (4 << 20) + 1];
    folder.write("long.czip", long_file(&long));
    let two = format!("{TEXT}another text\n");
    let three = [TEXT.as_bytes(), &long, b"another text\n"].concat();
    for (line, texts) in [
        ("-dc joined.czip", two.as_bytes()),
        ("-dc notes.txt.czip b.czip", two.as_bytes()),
        ("-dc notes.txt.czip long.czip b.czip", &three),
        ("cat notes.txt.czip long.czip b.czip", &three),
        ("decompress -c notes.txt.czip long.czip b.czip", &three),
    ] {
        let restored = czip(&folder, line, 0);
        assert_eq!(restored.stderr(), "", "{line}");
        assert!(restored.stdout() == texts, "{line}");
    }
    // Details are shown if they are asked for.
    let verbose = czip(&folder, "-dcv b.czip", 0);
    assert!(verbose.stderr().contains("b.czip: "), "{}", verbose.stderr());
    // A file that fails does not keep the others.
    folder.write("bad.czip", "bad");
    let some = czip(&folder, "-dc b.czip bad.czip b.czip", 4);
    assert_eq!(some.stdout(), b"another text\nanother text\n");
}

#[test]
fn tests_write_nothing() {
    let folder = Folder::with_text();
    czip(&folder, "notes.txt", 0);
    folder.write("renamed", folder.read("notes.txt.czip"));
    let names = folder.names();
    let tested = czip(&folder, "-t notes.txt.czip renamed", 0);
    assert_eq!(tested.stdout(), b"");
    assert!(
        tested.stderr().contains("renamed: intact: "),
        "{}",
        tested.stderr()
    );
    czip(&folder, "-tv --rm notes.txt.czip", 0);
    let json = czip(&folder, "-t --json renamed", 0);
    let json: serde_json::Value = serde_json::from_slice(json.stdout()).unwrap();
    assert_eq!(
        (json["done"].as_str(), json["text_len"].as_u64()),
        (Some("tested"), Some(TEXT.len() as u64))
    );
    let mut damaged = folder.read("renamed");
    let last = damaged.len() - 1;
    damaged[last] ^= 1;
    folder.write("renamed", damaged);
    czip(&folder, "-t notes.txt.czip renamed", 4);
    czip(&folder, "-t notes.txt", 4);
    assert_eq!(folder.names(), names);
}

#[test]
fn lists() {
    let folder = Folder::with_text();
    folder.write("b", "another text\n");
    czip(&folder, "-1 notes.txt b --segment 1K", 0);
    let lines = |line: &str, code| {
        let listed = czip(&folder, line, code);
        let listed = String::from_utf8(listed.stdout().to_owned()).unwrap();
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        listed.lines().map(words).collect::<Vec<_>>()
    };
    let len = |name: &str| folder.read(name).len().to_string();
    let (notes, b) = (len("notes.txt.czip"), len("b.czip"));
    let listed = lines("-l notes.txt.czip b.czip", 0);
    assert_eq!(
        listed[0],
        [
            "Segments",
            "Compressed",
            "Uncompressed",
            "Ratio",
            "Check",
            "Level",
            "Model",
            "File"
        ]
    );
    assert_eq!(listed[1][..3], ["1", notes.as_str(), &TEXT.len().to_string()]);
    assert_eq!(listed[1][4..], ["XXH3", "1", "none", "notes.txt.czip"]);
    assert_eq!(listed[2][..3], ["1", b.as_str(), "13"]);
    assert_eq!(listed[3][0], "2");
    assert_eq!(listed[3][4..], ["2", "files"]);
    assert_eq!(listed.len(), 4);
    assert_eq!(lines("-l b.czip", 0).len(), 2);
    // Details are those of `info`.
    let (long, info) = (lines("-lv b.czip", 0), lines("info b.czip", 0));
    assert_eq!(long, info);
    assert_eq!(lines("-l b.czip b", 4).len(), 2);

    let json = czip(&folder, "-l --json notes.txt.czip b.czip", 0);
    let json: Vec<serde_json::Value> = json
        .stdout()
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).unwrap())
        .collect();
    assert_eq!(json.len(), 3);
    assert_eq!(json[0]["path"], "notes.txt.czip");
    assert_eq!(json[1]["text_len"], 13);
    assert_eq!(
        (json[2]["kind"].as_str(), json[2]["files"].as_u64()),
        (Some("total"), Some(2))
    );
}

#[test]
fn levels_are_flags() {
    let folder = Folder::with_text();
    let level = |line: &str| czip(&folder, line, 0).stdout()[3] & 0xf;
    for number in 1..=9 {
        assert_eq!(level(&format!("-{number}c notes.txt")), number);
        assert_eq!(level(&format!("compress -{number} notes.txt -o -")), number);
    }
    assert_eq!(level("-1 -c notes.txt -9"), 9);
    assert_eq!(level("--fast -c notes.txt"), 1);
    assert_eq!(level("--best -c notes.txt"), 9);
    assert_eq!(level("-c notes.txt"), 5);
    // Other programs have more.
    for line in [
        "-19 notes.txt",
        "-0 notes.txt",
        "--ultra notes.txt",
        "-e notes.txt",
    ] {
        czip(&folder, line, 2);
    }
    let with_variable = |value: &str, arguments: &[&str]| {
        let mut command = folder.command();
        command
            .env("CZIP_MODEL", "none")
            .env("CZIP_LEVEL", value)
            .args(arguments);
        Finished(command.output().unwrap())
    };
    assert_eq!(
        with_variable("3", &["-c", "notes.txt"]).exits(0).stdout()[3] & 0xf,
        3
    );
    assert_eq!(
        with_variable("3", &["-8c", "notes.txt"]).exits(0).stdout()[3] & 0xf,
        8
    );
    assert_eq!(
        with_variable("", &["-c", "notes.txt"]).exits(0).stdout()[3] & 0xf,
        5
    );
    with_variable("19", &["-c", "notes.txt"]).fails(2, "CZIP_LEVEL: 19 is no level: levels run from 1 to 9");
    // Restoring has none.
    czip(&folder, "notes.txt", 0);
    with_variable("19", &["-dc", "notes.txt.czip"]).exits(0);
}

#[test]
fn inputs_are_removed_on_request() {
    let folder = Folder::with_text();
    folder.write("b", "another text");
    folder.write("c", "");
    czip(&folder, "--rm notes.txt b c", 0);
    assert_eq!(folder.names(), ["b.czip", "c.czip", "notes.txt.czip"]);
    czip(&folder, "-d --rm notes.txt.czip", 0);
    assert_eq!(folder.names(), ["b.czip", "c.czip", "notes.txt"]);
    assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
    czip(&folder, "compress --rm notes.txt", 0);
    czip(&folder, "decompress --rm notes.txt.czip b.czip", 0);
    assert_eq!(folder.names(), ["b", "c.czip", "notes.txt"]);
    czip(&folder, "--rm notes.txt -o elsewhere", 0);
    assert_eq!(folder.names(), ["b", "c.czip", "elsewhere"]);
    // The last one counts.
    czip(&folder, "--rm -k b", 0);
    assert!(folder.path("b").exists());
}

#[test]
fn inputs_are_kept_where_there_is_no_output_file() {
    let folder = Folder::with_text();
    czip(&folder, "--rm -c notes.txt", 0);
    czip(&folder, "--rm -o - notes.txt", 0);
    czip(&folder, "notes.txt", 0);
    czip(&folder, "-t --rm notes.txt.czip", 0);
    czip(&folder, "-l --rm notes.txt.czip", 0);
    czip(&folder, "-dc --rm notes.txt.czip", 0);
    czip(&folder, "-d --rm notes.txt.czip", 1);
    folder.write("notes.txt.czip", "something else");
    czip(&folder, "--rm notes.txt", 1);
    #[cfg(unix)]
    czip(&folder, "--rm notes.txt -o /dev/null", 0);
    assert_eq!(folder.names(), ["notes.txt", "notes.txt.czip"]);
    assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
    // Damaged, or in a format that cannot tell.
    czip(&folder, "-d --rm notes.txt.czip -o out", 4);
    assert_eq!(folder.names(), ["notes.txt", "notes.txt.czip"]);
}

#[test]
fn file_without_checksum_is_kept() {
    let Some(model) = crate::run::model() else { return };
    let folder = Folder::with_text();
    let run = |line: &str, code| folder.czip(&model, line.split_whitespace()).exits(code);
    run("compress -c brotli --rm notes.txt", 0);
    assert_eq!(folder.names(), ["notes.txt.czip"]);
    run("-d --rm notes.txt.czip", 1).fails(
        1,
        "notes.txt.czip: is restored, but kept: CZIPv1 has no checksum that would tell whether the text is right",
    );
    assert_eq!(folder.names(), ["notes.txt", "notes.txt.czip"]);
    assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
}

#[test]
fn two_inputs_with_one_output_lose_neither() {
    let folder = Folder::new();
    for name in ["a", "b"] {
        fs::create_dir(folder.path(name)).unwrap();
        folder.write(&format!("{name}/text"), name.repeat(100));
    }
    let finished = czip(&folder, "--rm -f --output-dir-flat out a/text b/text", 2);
    let same = format!(
        "{}: is the same file as another output",
        Path::new("out").join("text.czip").display()
    );
    assert!(finished.stderr().contains(&same), "{}", finished.stderr());
    assert!(!folder.path("a/text").exists());
    assert_eq!(folder.read("b/text"), b"b".repeat(100));
    let restored = czip(&folder, "-dc out/text.czip", 0);
    assert_eq!(restored.stdout(), b"a".repeat(100));
    // By another name of the same folder, and in lists.
    folder.write("list", "a/again\nb/again\n");
    folder.write("a/again", "a");
    folder.write("b/again", "b");
    czip(&folder, "--rm --files-from list --output-dir-flat ./out", 2);
    assert!(!folder.path("a/again").exists());
    assert_eq!(folder.read("b/again"), b"b");
}

#[test]
fn outputs_go_to_other_folders() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("a/b")).unwrap();
    folder.write("a/one", TEXT);
    folder.write("a/b/two", "another text");
    czip(&folder, "-r a --output-dir mirror", 0);
    assert!(folder.path("mirror/a/one.czip").exists());
    assert!(folder.path("mirror/a/b/two.czip").exists());
    czip(&folder, "./a/one a/b/two --output-dir-flat flat", 0);
    assert!(folder.path("flat/one.czip").exists());
    assert!(folder.path("flat/two.czip").exists());
    czip(&folder, "-dr mirror --output-dir back", 0);
    assert_eq!(folder.read("back/mirror/a/one"), TEXT.as_bytes());
    assert_eq!(folder.read("back/mirror/a/b/two"), b"another text");
    // An absolute path is one below the root.
    let path = folder.path("a/one");
    czip(&folder, &format!("{} --output-dir absolute", path.display()), 0);
    let below: std::path::PathBuf = path.components().skip(1).collect();
    assert!(
        folder
            .path("absolute")
            .join(below)
            .with_extension("czip")
            .exists()
    );
    let finished = czip(&folder, "a/../a/one --output-dir mirror", 2);
    assert!(
        finished
            .stderr()
            .starts_with("czip: a/../a/one: leads out of the current folder"),
        "{}",
        finished.stderr()
    );
    // What is there stays.
    folder.write("flat/one.czip", "precious");
    czip(&folder, "--rm a/one --output-dir-flat flat", 1);
    assert_eq!(folder.read("flat/one.czip"), b"precious");
    assert_eq!(folder.read("a/one"), TEXT.as_bytes());
    czip(&folder, "-o x --output-dir y a/one", 2);
    czip(&folder, "a/one --output-dir-flat a/b/two", 1)
        .fails(1, "a/b/two: is a file, and no folder for outputs");
}

#[test]
fn folders_are_entered_on_request() {
    let folder = Folder::new();
    fs::create_dir_all(folder.path("a/b")).unwrap();
    folder.write("a/one", TEXT);
    folder.write("a/b/two", "another text");
    folder.write("a/b/.czip-abc123.tmp", "of a run that was killed");
    czip(&folder, "a", 1).fails(1, "a: is a folder; -r takes all files in it");
    czip(&folder, "-rq a", 0);
    let mut names: Vec<_> = fs::read_dir(folder.path("a/b"))
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["two", "two.czip"]);
    // What is compressed already is passed over without a fault.
    fs::remove_file(folder.path("a/one")).unwrap();
    fs::remove_file(folder.path("a/b/two")).unwrap();
    let again = czip(&folder, "-rv a", 0);
    assert!(
        again.stderr().contains("one.czip: passed over: "),
        "{}",
        again.stderr()
    );
    assert!(!folder.path("a/one.czip.czip").exists());
    // And so is what is no compressed file.
    folder.write("a/readme", "text");
    czip(&folder, "-drq --rm a", 0);
    assert_eq!(folder.read("a/one"), TEXT.as_bytes());
    assert_eq!(folder.read("a/readme"), b"text");
    assert!(!folder.path("a/one.czip").exists());
    czip(&folder, "compress -rq a", 0);
    czip(&folder, "-tr a", 0);
    assert_eq!(
        czip(&folder, "-lr a", 0)
            .stdout()
            .iter()
            .filter(|&&byte| byte == b'\n')
            .count(),
        5
    );
}

#[test]
fn names_come_from_lists() {
    let folder = Folder::with_text();
    folder.write("b c", "another text");
    folder.write("-", "a file of that name");
    folder.write("lines", "notes.txt\n\nb c\n-");
    folder.write("zeros", "b c\0notes.txt\0");
    for (line, names) in [
        (
            "--files-from lines",
            &["-.czip", "b c.czip", "notes.txt.czip"][..],
        ),
        ("--filelist lines", &["-.czip", "b c.czip", "notes.txt.czip"]),
        ("--files=lines", &["-.czip", "b c.czip", "notes.txt.czip"]),
        ("--files0-from zeros", &["b c.czip", "notes.txt.czip"]),
        ("--files0 zeros", &["b c.czip", "notes.txt.czip"]),
        ("compress --files0-from zeros", &["b c.czip", "notes.txt.czip"]),
        (
            "lines --files0-from zeros",
            &["b c.czip", "lines.czip", "notes.txt.czip"],
        ),
    ] {
        czip(&folder, line, 0);
        let made: Vec<String> = folder
            .names()
            .into_iter()
            .filter(|name| name.ends_with(".czip"))
            .collect();
        assert_eq!(made, names, "{line}");
        for name in names {
            fs::remove_file(folder.path(name)).unwrap();
        }
    }
    folder
        .pipe("none".as_ref(), ["--files-from", "-"], b"notes.txt\n")
        .exits(0);
    assert!(folder.path("notes.txt.czip").exists());
    folder
        .pipe("none".as_ref(), ["-", "--files-from", "-"], b"notes.txt\n")
        .exits(2);
    // An empty list names nothing, and not standard input.
    let nothing = folder.pipe("none".as_ref(), ["--files-from", "-"], b"").exits(0);
    assert_eq!(nothing.stdout(), b"");
    czip(&folder, "--files-from none", 1);
    // The kinds of lists are not mistaken for each other.
    czip(&folder, "--files-from zeros", 1).fails(
        1,
        "zeros: its names end in NUL characters; --files0-from reads such lists",
    );
    // A list is not overwritten either.
    folder.write("lines.czip", "lines\n");
    czip(&folder, "-f lines --files-from lines.czip", 2);
    assert_eq!(folder.read("lines.czip"), b"lines\n");
}

#[test]
fn compressed_files_are_excluded_on_request() {
    let folder = Folder::with_text();
    folder.write("a.gz", "by its name");
    folder.write("b", b"\x1f\x8b\x08by its first bytes");
    let finished = czip(&folder, "-v --exclude-compressed notes.txt a.gz b", 0);
    assert!(
        finished.stderr().contains("b: passed over: "),
        "{}",
        finished.stderr()
    );
    assert_eq!(folder.names(), ["a.gz", "b", "notes.txt", "notes.txt.czip"]);
    czip(&folder, "a.gz b", 0);
    assert!(folder.path("a.gz.czip").exists());
}

#[test]
fn suffixes() {
    let folder = Folder::with_text();
    czip(&folder, "-d notes.txt", 2).fails(
        2,
        "notes.txt: no name for the output: the input's name does not end in .czip; give one with -o OUT \
         (- is standard output)",
    );
    czip(&folder, "notes.txt", 0);
    let names = folder.names();
    for line in ["notes.txt.czip", "compress notes.txt.czip", "--rm notes.txt.czip"] {
        czip(&folder, line, 1).fails(
            1,
            "warning: notes.txt.czip: skipped: its name ends in .czip already; -f compresses it again",
        );
    }
    assert_eq!(czip(&folder, "-q notes.txt.czip", 1).stderr(), "");
    assert_eq!(folder.names(), names);
    czip(&folder, "-f notes.txt.czip", 0);
    assert!(folder.path("notes.txt.czip.czip").exists());
    // An output that is there is named as one, even if a pattern of the shell names it, too.
    czip(&folder, "notes.txt notes.txt.czip", 1).fails(
        1,
        "warning: notes.txt.czip: skipped: its name ends in .czip already; -f compresses it again\n\
         czip: notes.txt.czip: already exists; -f overwrites it",
    );
    // The others are done all the same.
    folder.write("b", "another text");
    czip(&folder, "notes.txt.czip b", 1);
    assert!(folder.path("b.czip").exists());
    fs::remove_file(folder.path("b")).unwrap();
    czip(&folder, "-df notes.txt b.czip", 2);
    assert_eq!(folder.read("b"), b"another text");
    // Whoever says where it goes means it.
    czip(&folder, "-c notes.txt.czip", 0);
    czip(&folder, "notes.txt.czip -o twice", 0);
}

#[test]
fn quiet_and_verbose() {
    let folder = Folder::with_text();
    assert!(
        czip(&folder, "-f notes.txt", 0)
            .stderr()
            .contains("\nnotes.txt: 88 -> ")
    );
    assert_eq!(czip(&folder, "-qf notes.txt", 0).stderr(), "");
    let verbose = czip(&folder, "-vf notes.txt", 0).stderr();
    assert!(
        verbose.starts_with("note: no model") && verbose.contains("notes.txt.czip: 1 segment: "),
        "{verbose}"
    );
    assert!(
        czip(&folder, "-q none", 1)
            .stderr()
            .starts_with("czip: none: cannot read: ")
    );
    assert_eq!(czip(&folder, "-qq none", 1).stderr(), "");
    assert_eq!(czip(&folder, "-q -q none notes.txt", 1).stderr(), "");
    // Standard options may also come before a command.
    assert_eq!(czip(&folder, "-q compress -f notes.txt", 0).stderr(), "");
    assert_eq!(czip(&folder, "-T2 -q -v compress -f notes.txt", 0).stderr(), "");
}

#[test]
fn all_files_are_counted() {
    let folder = Folder::new();
    let names: Vec<String> = (0..130).map(|number| format!("text{number}")).collect();
    for name in &names {
        folder.write(name, TEXT);
    }
    let arguments = ["-1"].into_iter().chain(names.iter().map(String::as_str));
    let finished = folder.czip("none".as_ref(), arguments).exits(0);
    let last = finished.stderr().lines().last().unwrap().to_owned();
    assert!(
        last.starts_with(&format!("130 files: {} -> ", 130 * TEXT.len())),
        "{last}"
    );
    assert_eq!(finished.stderr().matches(" files: ").count(), 1);
}

#[test]
fn words_that_are_nearly_commands() {
    let folder = Folder::with_text();
    for (word, meant) in [
        ("comprss", "compress"),
        ("trian", "train"),
        ("decompres", "decompress"),
        ("verfy", "verify"),
    ] {
        let message = format!("there is no file {word}; did you mean czip {meant}?");
        czip(&folder, &format!("{word} notes.txt"), 2).fails(2, &message);
    }
    assert_eq!(folder.names(), ["notes.txt"]);
    // A file of that name is a file.
    folder.write("comprss", "text");
    czip(&folder, "comprss", 0);
    // Other words are files that are not there.
    let finished = czip(&folder, "squeeze notes.txt", 1);
    assert!(
        finished.stderr().starts_with("czip: squeeze: cannot read: "),
        "{}",
        finished.stderr()
    );
    assert!(folder.path("notes.txt.czip").exists());
    // A command's name is a file's where it does not come first.
    folder.write("train", "text");
    czip(&folder, "-k train", 0);
    czip(&folder, "-f -- train", 0);
    czip(&folder, "-f comprss train", 0);
}

#[test]
fn commands_of_other_programs_are_explained() {
    let folder = Folder::with_text();
    for (word, meant) in [
        ("help", "--help"),
        ("list", "-l"),
        ("test", "-t"),
        ("extract", "-d"),
        ("version", "--version"),
    ] {
        let message = format!("there is no file {word}; did you mean czip {meant}?");
        czip(&folder, &format!("{word} notes.txt"), 2).fails(2, &message);
    }
    assert_eq!(folder.names(), ["notes.txt"]);
    folder.write("list", "text");
    czip(&folder, "list", 0);
}

#[test]
fn json_lines() {
    let folder = Folder::with_text();
    let json = |line: &str| -> serde_json::Value {
        serde_json::from_slice(czip(&folder, line, 0).stdout()).unwrap()
    };
    let compressed = json("--json notes.txt");
    assert_eq!(compressed["path"], "notes.txt");
    assert_eq!(compressed["output"], "notes.txt.czip");
    assert_eq!(compressed["done"], "compressed");
    assert_eq!(compressed["text_len"], TEXT.len());
    assert_eq!(compressed["file_len"], folder.read("notes.txt.czip").len());
    assert_eq!(json("-df --json notes.txt.czip")["done"], "restored");
    czip(&folder, "--json -c notes.txt", 2).fails(
        2,
        "--json writes to standard output, which the data go to; send them to a file with -o",
    );
}

#[test]
fn parts_of_texts() {
    let folder = Folder::new();
    let text: String = (0..500).map(|number| format!("line {number}\n")).collect();
    folder.write("text", &text);
    czip(&folder, "-1 --segment 1K text", 0);
    for (range, expected) in [
        ("0..6", &text[..6]),
        ("1000..1100", &text[1000..1100]),
        ("1K..2k", &text[1024..2048]),
        ("4000..", &text[4000..]),
        ("..8", &text[..8]),
        ("..", &text[..]),
        ("5..5", ""),
        ("1M..2M", ""),
        ("4000..1M", &text[4000..]),
    ] {
        let part = czip(&folder, &format!("cat --range {range} text.czip"), 0);
        assert_eq!(part.stdout(), expected.as_bytes(), "{range}");
    }
    let twice = czip(&folder, "cat --range 10..20 text.czip text.czip", 0);
    assert_eq!(twice.stdout(), text[10..20].repeat(2).as_bytes());
    let piped = folder
        .pipe(
            "none".as_ref(),
            ["cat", "--range", "10..20"],
            &folder.read("text.czip"),
        )
        .exits(0);
    assert_eq!(piped.stdout(), &text.as_bytes()[10..20]);
    for range in ["2..1", "a..b", "5", "-1..2"] {
        czip(&folder, &format!("cat --range={range} text.czip"), 2);
    }
    czip(&folder, "cat --range 0..1 text", 4);
    let text = folder.read("text");
    assert_eq!(czip(&folder, "cat -f --range 3..7 text", 0).stdout(), &text[3..7]);
}

#[test]
fn other_formats_pass_through_on_request() {
    let folder = Folder::with_text();
    folder.write("C", "C");
    folder.write("empty", "");
    czip(&folder, "notes.txt", 0);
    for line in [
        "-dcf notes.txt C empty notes.txt.czip",
        "cat -f notes.txt C empty notes.txt.czip",
    ] {
        assert_eq!(
            czip(&folder, line, 0).stdout(),
            format!("{TEXT}C{TEXT}").as_bytes(),
            "{line}"
        );
    }
    czip(&folder, "-dc notes.txt", 4);
    czip(&folder, "cat notes.txt", 4);
    // A damaged file is none of another format.
    folder.write("cut.czip", &folder.read("notes.txt.czip")[..20]);
    czip(&folder, "-dcf cut.czip", 4);
}

#[test]
fn memory_limit() {
    let folder = Folder::with_text();
    czip(&folder, "-9 notes.txt", 0);
    for line in [
        "-d -M1M -o out",
        "-dM 1M -o out",
        "-t --memory=1MiB",
        "--memlimit 1M -t",
        "decompress -M 1M -o out",
    ] {
        let finished = czip(&folder, &format!("{line} notes.txt.czip"), 1);
        assert!(
            finished.stderr().contains("raise it with --memory"),
            "{line}: {}",
            finished.stderr()
        );
    }
}

#[test]
fn colors() {
    let folder = Folder::new();
    let plain = czip(&folder, "none", 1).stderr();
    assert!(plain.starts_with("czip: none"), "{plain:?}");
    let colored = czip(&folder, "--color always none", 1).stderr();
    assert_eq!(colored, plain.replacen("czip:", "\x1b[1m\x1b[31mczip:\x1b[0m", 1));
    assert_eq!(czip(&folder, "--color=never none", 1).stderr(), plain);
    assert!(
        czip(&folder, "--color=always --none", 2)
            .stderr()
            .contains('\x1b')
    );
    assert!(!czip(&folder, "--none", 2).stderr().contains('\x1b'));
    czip(&folder, "--color sometimes none", 2);
}

#[cfg(unix)]
mod unix {
    use std::fs::{FileTimes, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::process::Command;
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn attributes_are_kept_both_ways() {
        let folder = Folder::with_text();
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_234_567_890, 500_000_000);
        let set = |name: &str, mode| {
            let file = fs::File::options().write(true).open(folder.path(name)).unwrap();
            file.set_times(FileTimes::new().set_modified(time).set_accessed(time))
                .unwrap();
            file.set_permissions(Permissions::from_mode(mode)).unwrap();
        };
        let check = |name: &str, mode| {
            let metadata = fs::metadata(folder.path(name)).unwrap();
            assert_eq!(metadata.modified().unwrap(), time, "{name}");
            assert_eq!(metadata.mode() & 0o7777, mode, "{name}");
        };
        set("notes.txt", 0o640);
        czip(&folder, "notes.txt", 0);
        check("notes.txt.czip", 0o640);
        czip(&folder, "-d notes.txt.czip -o back", 0);
        check("back", 0o640);
        // Also where several are processed side by side.
        fs::copy(folder.path("notes.txt"), folder.path("b")).unwrap();
        set("b", 0o4755);
        czip(&folder, "-f notes.txt b", 0);
        check("b.czip", 0o755);
        czip(&folder, "-df notes.txt.czip b.czip", 0);
        check("b", 0o755);
        // A stream has none.
        shell(
            &folder,
            "umask 022; $czip <notes.txt >out; $czip -d -o again <out",
        )
        .exits(0);
        let metadata = fs::metadata(folder.path("again")).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o644);
        assert!(metadata.modified().unwrap() > time);
        if metadata.uid() == 0 {
            std::os::unix::fs::chown(folder.path("notes.txt"), Some(12), Some(34)).unwrap();
            czip(&folder, "-f notes.txt", 0);
            let metadata = fs::metadata(folder.path("notes.txt.czip")).unwrap();
            assert_eq!((metadata.uid(), metadata.gid()), (12, 34));
        }
    }

    #[test]
    fn what_is_not_a_regular_file_is_skipped() {
        let folder = Folder::with_text();
        symlink("notes.txt", folder.path("link")).unwrap();
        shell(&folder, "mkfifo pipe").exits(0);
        czip(&folder, "link", 1).fails(1, "warning: link: skipped: it is a symbolic link; -f follows it");
        for line in ["pipe", "-f pipe", "/dev/null", "compress /dev/null"] {
            let finished = czip(&folder, line, 1);
            assert!(
                finished.stderr().contains("skipped: it is not a regular file"),
                "{line}"
            );
        }
        assert_eq!(folder.names(), ["link", "notes.txt", "pipe"]);
        // Where the output has a place, it is read all the same.
        czip(&folder, "-c link", 0);
        czip(&folder, "link -o out", 0);
        czip(&folder, "-c /dev/null", 0);
        shell(&folder, "cat notes.txt >pipe & $czip pipe -o fromPipe; wait").exits(0);
        assert_eq!(folder.read("fromPipe"), folder.read("out"));
        czip(&folder, "-f link", 0);
        assert_eq!(folder.read("link.czip"), folder.read("out"));
        czip(&folder, "-t link.czip", 0);
        // Commands follow links, as they always have.
        czip(&folder, "compress -f link", 0);
    }

    #[test]
    fn links_in_folders_are_passed_over() {
        let folder = Folder::with_text();
        fs::create_dir(folder.path("a")).unwrap();
        symlink("../notes.txt", folder.path("a/link")).unwrap();
        symlink("..", folder.path("a/up")).unwrap();
        folder.write("a/text", TEXT);
        let finished = czip(&folder, "-rv a", 0);
        assert!(
            finished
                .stderr()
                .contains("a/link: passed over: it is not a regular file"),
            "{}",
            finished.stderr()
        );
        assert!(folder.path("a/text.czip").exists());
        assert!(!folder.path("a/link.czip").exists());
    }

    #[test]
    fn removal_is_refused_where_it_would_lose_something() {
        let folder = Folder::with_text();
        fs::hard_link(folder.path("notes.txt"), folder.path("hard")).unwrap();
        symlink("notes.txt", folder.path("link")).unwrap();
        folder.write("bits", TEXT);
        fs::set_permissions(folder.path("bits"), Permissions::from_mode(0o4755)).unwrap();
        let names = folder.names();
        for (name, reason) in [
            (
                "hard",
                "it has 2 hard links, so --rm would not free its space; -f takes it",
            ),
            ("link", "it is a symbolic link; -f follows it"),
            (
                "bits",
                "it has the set-user-ID, set-group-ID or sticky bit, which --rm would lose; -f takes it",
            ),
        ] {
            for command in ["", "compress"] {
                let finished = czip(&folder, &format!("{command} --rm {name}"), 1);
                finished.fails(1, &format!("warning: {name}: skipped: {reason}"));
            }
        }
        assert_eq!(folder.names(), names);
        // Without removal they are files as any other; and -f means it.
        czip(&folder, "hard bits", 0);
        czip(&folder, "--rm -f hard bits link", 0);
        assert_eq!(
            folder.names(),
            ["bits.czip", "hard.czip", "link.czip", "notes.txt"]
        );
        assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
    }

    #[test]
    fn input_stays_if_its_output_cannot_be_written() {
        let folder = Folder::new();
        folder.write("long", vec![b'x'; 300_000]);
        shell(&folder, "$czip -q1 long").exits(0);
        // The limit on lengths is met while the text is written.
        shell(&folder, "ulimit -f 100; $czip -d --rm long.czip -o out").exits(1);
        assert_eq!(folder.names(), ["long", "long.czip"]);
        shell(&folder, "ulimit -f 0; $czip -1f --rm long").exits(1);
        assert_eq!(folder.names(), ["long", "long.czip"]);
        assert_eq!(folder.read("long").len(), 300_000);
        shell(&folder, "$czip -t long.czip").exits(0);
        shell(&folder, "$czip --rm long -o none/out").exits(1);
        assert_eq!(folder.read("long").len(), 300_000);
    }

    #[test]
    fn file_that_has_changed_is_not_removed() {
        let Some(model) = crate::run::model() else { return };
        let folder = Folder::with_text();
        fs::copy(model, folder.path("model.czm")).unwrap();
        // The input has been opened when the output is begun, and then the model is waited for.
        let line = "
            mkfifo pipe
            $czip -q1 --rm notes.txt -m pipe -o out & czip=$!
            until ls -A | grep -q tmp; do :; done
            echo more >>notes.txt
            cat model.czm >pipe
            wait $czip";
        let finished = shell(&folder, line).exits(1);
        assert_eq!(
            finished.stderr(),
            "czip: notes.txt: has changed since it was read, so it is kept\n"
        );
        assert_eq!(folder.read("notes.txt"), format!("{TEXT}more\n").as_bytes());
        assert_eq!(folder.names(), ["model.czm", "notes.txt", "out", "pipe"]);
    }

    #[test]
    fn names_of_links_are_habits() {
        let folder = Folder::with_text();
        let program = Path::new(env!("CARGO_BIN_EXE_czip"));
        for name in ["czcat", "unczip", "czgrep"] {
            symlink(program, folder.path(name)).unwrap();
        }
        let run = |line: &str| shell(&folder, line);
        run("$czip -q --rm notes.txt").exits(0);
        assert_eq!(run("./czcat notes.txt.czip").exits(0).stdout(), TEXT.as_bytes());
        assert_eq!(run("./czcat <notes.txt.czip").exits(0).stdout(), TEXT.as_bytes());
        assert_eq!(run("./czcat -f czip none").exits(1).stdout(), b"");
        run("./czcat none").fails_as("czcat", "none: cannot read: ");
        run("./unczip -q notes.txt.czip").exits(0);
        assert_eq!(folder.read("notes.txt"), TEXT.as_bytes());
        run("./unczip -qt notes.txt.czip").exits(0);
        assert_eq!(
            run("./czgrep -c integers notes.txt.czip").exits(1).stdout(),
            b"0\n"
        );
        assert_eq!(
            run("./czgrep -ci integers notes.txt.czip").exits(0).stdout(),
            b"1\n"
        );
        for name in ["unczip", "czcat", "czgrep"] {
            let version = format!("{name} {}\n", env!("CARGO_PKG_VERSION"));
            assert_eq!(run(&format!("./{name} -V")).exits(0).stdout(), version.as_bytes());
        }
        // The command that a name stands for is not named again.
        for (name, usage) in [
            ("czcat", "Usage: czcat [OPTIONS] [FILE]...\n"),
            ("czgrep", "Usage: czgrep [OPTIONS] <ARGUMENT>...\n"),
        ] {
            let help = run(&format!("./{name} --help")).exits(0);
            let help = String::from_utf8_lossy(help.stdout()).into_owned();
            assert!(help.contains(usage), "{help}");
        }
    }

    #[test]
    fn names_do_not_steer_terminals() {
        let folder = Folder::new();
        let name = "a\x1b[31m\nb";
        folder.write(name, TEXT);
        let run = |line: &[&str]| {
            let finished = folder.czip("none".as_ref(), line);
            [finished.stdout(), finished.stderr().as_bytes()].concat()
        };
        let file = format!("{name}.czip");
        for line in [
            &["-v", name][..],
            &["-t", &file],
            &["-l", &file],
            &["-lv", &file],
            &["info", &file],
            &["verify", &file],
            &["-z", &file],
            &["-d", &file],
            &["-dr", "-v", "."],
            &["-d", "-M", "1", "-o", "c", &file],
        ] {
            let shown = String::from_utf8(run(line)).unwrap();
            assert!(shown.contains("a\\u{1b}[31m\\nb"), "{line:?}: {shown:?}");
            assert!(!shown.contains('\x1b'), "{line:?}: {shown:?}");
        }
        // In JSON they are what they are.
        let listed: serde_json::Value = serde_json::from_slice(&run(&["-l", "--json", &file])).unwrap();
        assert_eq!(listed["path"], file);
    }

    #[test]
    fn reader_that_has_gone_ends_the_work() {
        let folder = Folder::with_text();
        czip(&folder, "-1 notes.txt", 0);
        folder.write("damaged.czip", "damaged");
        for command in ["-dc", "cat", "cat --range 1..2"] {
            let line = format!("{command} notes.txt.czip notes.txt.czip damaged.czip");
            czip(&folder, &line, 4);
            let (reader, writer) = std::io::pipe().unwrap();
            drop(reader);
            let mut czip = folder.command();
            czip.args(line.split(' ')).stdout(writer);
            let finished = Finished(czip.output().unwrap()).exits(0);
            // Whatever comes after is not even looked at.
            assert_eq!(finished.stderr(), "", "{line}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn errors_of_writing_name_what_was_to_be_written() {
        let folder = Folder::with_text();
        czip(&folder, "notes.txt -o /proc/out", 1).fails(
            1,
            "/proc/out: cannot write: No such file or directory (os error 2)",
        );
        czip(&folder, "notes.txt", 0);
        for line in [
            "-h",
            "-l notes.txt.czip",
            "-dc notes.txt.czip",
            "info notes.txt.czip",
        ] {
            shell(&folder, &format!("$czip {line} >/dev/full"))
                .fails(1, "<stdout>: cannot write: No space left on device (os error 28)");
        }
    }

    #[test]
    fn bash_completes_commands_options_and_files() {
        if !exists("bash") {
            return;
        }
        let folder = Folder::new();
        for name in ["train.txt", "train two", "notes.txt"] {
            folder.write(name, TEXT);
        }
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/completions/czip.bash");
        for (words, completions) in [
            ("tr", "train|train two|train.txt|"),
            ("no", "notes.txt|"),
            ("--li", "--list|"),
            ("compress --form", "--format|"),
            ("compress --format v", "v1|v2|"),
            ("-o no", "notes.txt|"),
            // Nothing here, so bash offers files, and no command.
            ("-d tr", "|"),
        ] {
            let line = format!(
                ". {script}; COMP_WORDS=(czip {words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
                 _czip czip \"${{COMP_WORDS[-1]}}\" \"${{COMP_WORDS[-2]}}\" && \
                 printf '%s\\n' \"${{COMPREPLY[@]}}\" | LC_ALL=C sort | tr '\\n' '|'"
            );
            let mut bash = folder.command_called("bash");
            let completed = Finished(bash.args(["--norc", "-c", &line]).output().unwrap()).exits(0);
            assert_eq!(
                String::from_utf8_lossy(completed.stdout()),
                completions,
                "{words}: {}",
                completed.stderr()
            );
        }
    }

    #[test]
    fn grep_finds_lines() {
        let folder = Folder::new();
        folder.write("a", "one\ntwo\nthree\n");
        folder.write("b", "two\nfour\n");
        czip(&folder, "-1 a b", 0);
        for (line, output, code) in [
            ("two a.czip", "two\n", 0),
            ("two a.czip b.czip", "a.czip:two\nb.czip:two\n", 0),
            ("-n two a.czip b.czip", "a.czip:2:two\nb.czip:1:two\n", 0),
            ("-h two a.czip b.czip", "two\ntwo\n", 0),
            ("-l four a.czip b.czip", "b.czip\n", 0),
            ("-vc two a.czip b.czip", "a.czip:2\nb.czip:1\n", 0),
            ("-e three -e four a.czip b.czip", "a.czip:three\nb.czip:four\n", 0),
            ("-A 1 one a.czip", "one\ntwo\n", 0),
            ("five a.czip b.czip", "", 1),
            ("-q two a.czip", "", 0),
            ("-- -x a.czip", "", 1),
            ("-F . a.czip", "", 1),
        ] {
            let found = czip(&folder, &format!("grep {line}"), code);
            assert_eq!(
                String::from_utf8(found.stdout().to_owned()).unwrap(),
                output,
                "{line}"
            );
            assert_eq!(found.stderr(), "", "{line}");
        }
        czip(&folder, "grep two none", 2);
        // What was found counts, and nothing after it.
        czip(&folder, "grep -q two a.czip none", 0);
        czip(&folder, "grep -q two none a.czip", 0);
        czip(&folder, "grep -q five a.czip none", 2);
        // A model that is not needed need not be there, and an error is not "nothing found".
        let missing = "CZIP_MODEL=none.czm $czip grep -c two a.czip b";
        assert_eq!(shell(&folder, missing).exits(0).stdout(), b"a.czip:1\nb:1\n");
        shell(&folder, "$czip grep two b >&-").exits(2);
        czip(&folder, "grep b -e", 2);
        // Patterns that can be read only once are there for all files.
        for line in [
            "echo two | $czip grep -cf - a.czip b.czip",
            "echo two | $czip grep -c --file=/dev/stdin a.czip b.czip",
        ] {
            let found = shell(&folder, line).exits(0);
            assert_eq!(found.stdout(), b"a.czip:1\nb.czip:1\n", "{line}");
        }
        shell(&folder, "$czip grep -cf /dev/null a.czip </dev/null").exits(1);
        shell(&folder, "$czip grep -f - a.czip </dev/null").exits(1);
        // Other files are searched as they are.
        assert_eq!(
            czip(&folder, "grep -c two a.czip b", 0).stdout(),
            b"a.czip:1\nb:1\n"
        );
        czip(&folder, "grep -r two .", 2);
        czip(&folder, "grep", 2);
        let piped = folder
            .pipe("none".as_ref(), ["grep", "-n", "two"], &folder.read("a.czip"))
            .exits(0);
        assert_eq!(piped.stdout(), b"2:two\n");
        // A name that looks like an option or a command is a name.
        fs::rename(folder.path("a.czip"), folder.path("-r; exit.czip")).unwrap();
        let found = Finished(
            folder
                .command()
                .args(["grep", "-H", "two", "--", "-r; exit.czip"])
                .output()
                .unwrap(),
        );
        assert_eq!(found.exits(0).stdout(), b"-r; exit.czip:two\n");
        // It may stop reading early.
        folder.write("long", "two\n".repeat(100_000));
        czip(&folder, "-1 long", 0);
        assert_eq!(czip(&folder, "grep -m1 two long.czip", 0).stdout(), b"two\n");
        // And so may whoever reads what is found, whatever comes after.
        let line = "{ $czip grep two long.czip none; echo $? >code; } | head -n 1";
        assert_eq!(shell(&folder, line).exits(0).stdout(), b"long.czip:two\n");
        assert_eq!(folder.read("code"), b"0\n");
    }

    /// Whether such a program is there. Not every machine has all.
    fn exists(program: &str) -> bool {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|it| it.status.success())
    }

    #[test]
    fn tar_calls_it() {
        if !exists("tar") {
            return;
        }
        let folder = Folder::new();
        fs::create_dir_all(folder.path("letters/more")).unwrap();
        folder.write("letters/one", TEXT);
        folder.write("letters/more/two", TEXT.repeat(50));
        fs::create_dir(folder.path("back")).unwrap();
        let run = |line: &str| {
            let finished = shell(&folder, line).exits(0);
            assert_eq!(finished.stderr(), "", "{line}");
            finished
        };
        run("tar -I $czip -cf letters.tar.czip letters");
        assert_eq!(folder.read("letters.tar.czip")[..3], *b"\xfacz");
        run("tar -I $czip -xf letters.tar.czip -C back");
        assert_eq!(folder.read("back/letters/more/two"), TEXT.repeat(50).as_bytes());
        let listed = run("tar --use-compress-program=$czip -tf letters.tar.czip");
        assert!(String::from_utf8_lossy(listed.stdout()).contains("letters/one\n"));
        run("tar -I \"$czip -9\" -cf smallest.tar.czip letters");
        run("$czip -dc smallest.tar.czip | tar -xf - -C back");
        run("tar -cf - letters | $czip -T2 >piped.tar.czip");
        run("$czip -t <piped.tar.czip 2>/dev/null");
    }

    #[test]
    fn less_shows_texts() {
        if !exists("less") {
            return;
        }
        let folder = Folder::with_text();
        czip(&folder, "-f notes.txt", 0);
        // As in the documentation: `|-` also takes standard input, and other files are shown as they are.
        let line = "LESSOPEN=\"|-$czip -dcfq -- %s\" less notes.txt.czip | cat";
        assert_eq!(shell(&folder, line).exits(0).stdout(), TEXT.as_bytes());
        let line = "LESSOPEN=\"|-$czip -dcfq -- %s\" less notes.txt | cat";
        assert_eq!(shell(&folder, line).exits(0).stdout(), TEXT.as_bytes());
    }

    /// What appears on a terminal, and the exit code.
    fn on_terminal(folder: &Folder, line: &str, code: i32) -> String {
        let line = format!("TERM=xterm script -qec '{line}' /dev/null");
        let shown = shell(folder, &line).exits(code);
        String::from_utf8_lossy(shown.stdout()).into_owned()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn terminals() {
        if !exists("script") {
            return;
        }
        let folder = Folder::with_text();
        czip(&folder, "notes.txt", 0);
        for (line, code, message) in [
            (
                "$czip -c notes.txt",
                2,
                "refusing to write compressed data to a terminal",
            ),
            (
                "$czip <notes.txt",
                2,
                "refusing to write compressed data to a terminal",
            ),
            ("$czip -cf notes.txt", 0, "\u{fffd}cz"),
            ("$czip -d", 2, "refusing to read compressed data from a terminal"),
            (
                "$czip -t -",
                2,
                "refusing to read compressed data from a terminal",
            ),
            (
                "$czip -9",
                2,
                "no input: name files, or - to read a text from the terminal",
            ),
            ("$czip", 2, "[FILE]..."),
        ] {
            let shown = on_terminal(&folder, line, code);
            assert!(shown.contains(message), "{line}: {shown:?}");
        }
        // There is no table without a row.
        let refused = on_terminal(&folder, "$czip -l", 2);
        assert!(!refused.contains("Segments"), "{refused:?}");
        assert!(!on_terminal(&folder, "$czip", 2).contains("error:"));
        // A text on the screen is all that there is.
        let shown = on_terminal(&folder, "$czip -dc notes.txt.czip", 0);
        assert_eq!(shown.replace("\r\n", "\n"), TEXT);
        // Colours are for terminals, and not for those who do not want them.
        let colored = on_terminal(&folder, "$czip none", 1);
        assert!(
            colored.starts_with("\x1b[1m\x1b[31mczip:\x1b[0m none: cannot read: "),
            "{colored:?}"
        );
        for line in [
            "NO_COLOR=1 $czip none",
            "TERM=dumb $czip none",
            "$czip --color never none",
        ] {
            let plain = on_terminal(&folder, line, 1);
            assert!(
                plain.starts_with("czip: none: cannot read: "),
                "{line}: {plain:?}"
            );
        }
        // How much is done of a stream is known, and of how much is not.
        folder.write("long", TEXT.repeat(3000));
        let shown = on_terminal(&folder, "cat long | $czip -1 >out", 0);
        assert!(!shown.contains('%'), "{shown:?}");
        assert!(folder.path("out").exists());
    }
}
