#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![deny(clippy::float_arithmetic)]

use std::{collections::BTreeMap, fs, io, process::ExitCode};

use clap::Command;
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use xtask::{Result, files};

const USAGE: &str = "usage: cargo xtask codegen man [--check]";
const COMMAND: &str = "cargo xtask codegen man";

/// The folders that hold generated files and nothing else.
const PAGES: &str = "crates/cli/man";
const COMPLETIONS: &str = "crates/cli/completions";

/// For each shell, the name of the file under which it looks for the completions of czip.
const SHELLS: [(Shell, &str); 4] = [
    (Shell::Bash, "czip.bash"),
    (Shell::Fish, "czip.fish"),
    (Shell::PowerShell, "_czip.ps1"),
    (Shell::Zsh, "_czip"),
];

/// Makes `\*(Aq` an apostrophe, which by itself is a quotation mark to some formatters.
const APOSTROPHE: &str = ".ie \\n(.g .ds Aq \\(aq\n.el .ds Aq '\n";

fn main() -> ExitCode {
    xtask::main(|arguments| match arguments {
        [] => codegen(false),
        ["--check"] => codegen(true),
        _ => Err(USAGE.into()),
    })
}

/// Writes all files, or compares them.
fn codegen(check: bool) -> Result<()> {
    let mut files = BTreeMap::new();
    let mut command = czip_cli::command();
    for (shell, name) in SHELLS {
        let mut completions = Vec::new();
        generate(shell, &mut command, "czip", &mut completions);
        if shell == Shell::Bash {
            completions = with_files(&String::from_utf8(completions)?)?.into_bytes();
        }
        files.insert(format!("{COMPLETIONS}/{name}"), completions);
    }
    command.build();
    let subcommands: Vec<String> = visible_subcommands(&command).map(page_name).collect();
    files.insert(
        format!("{PAGES}/{}.1", page_name(&command)),
        page(&command, &subcommands)?,
    );
    for subcommand in visible_subcommands(&command) {
        let path = format!("{PAGES}/{}.1", page_name(subcommand));
        files.insert(path, page(subcommand, &["czip".into()])?);
    }
    for folder in [PAGES, COMPLETIONS] {
        drop_others(folder, &files, check)?;
    }
    for (path, contents) in files {
        files::ensure_file_contents(&path, &contents, check, COMMAND)?;
    }
    Ok(())
}

/// Completions for bash that offer files for the first word, too, and no commands after it. `clap_complete` offers only commands
/// and options in both places, unless none of them begins so.
fn with_files(completions: &str) -> Result<String> {
    const FIRST_WORD: &str = r#"-eq 1 ]] ; then
                COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
"#;
    const FILES: &str = r#"                if [[ ${cur} != -* ]] ; then
                    local file
                    while IFS= read -r file ; do
                        COMPREPLY+=("${file}")
                    done < <(compgen -f -- "${cur}")
                    compopt -o filenames 2> /dev/null
                fi
"#;
    // The end of the first command, which is the program without one.
    const LATER_WORDS: &str = r#"            esac
            COMPREPLY=( $(compgen -W "${opts}" -- "${cur}") )
"#;
    // With nothing to offer, bash offers files.
    const NOTHING: &str = "            esac
            COMPREPLY=()
";
    if completions.matches(FIRST_WORD).count() != 1 || !completions.contains(LATER_WORDS) {
        return Err("the completions for bash do not look as they did: see `with_files`".into());
    }
    Ok(completions
        .replace(FIRST_WORD, &[FIRST_WORD, FILES].concat())
        .replacen(LATER_WORDS, NOTHING, 1))
}

fn visible_subcommands(command: &Command) -> impl Iterator<Item = &Command> {
    command
        .get_subcommands()
        .filter(|subcommand| !subcommand.is_hide_set())
}

/// What a command's page is called, such as `czip-compress`.
fn page_name(command: &Command) -> String {
    command
        .get_display_name()
        .unwrap_or_else(|| command.get_name())
        .to_owned()
}

/// The manual page of one command, which names others at its end.
///
/// What follows the options in `--help` has columns, so its lines stay as they are.
fn page(command: &Command, others: &[String]) -> Result<Vec<u8>> {
    // A page is the long help: `clap_mangen` leaves out what the short one does not say.
    let man = Man::new(command.clone().mut_args(|arg| arg.hide_short_help(false)));
    let mut sections = Vec::new();
    man.render_name_section(&mut sections)?;
    man.render_synopsis_section(&mut sections)?;
    man.render_description_section(&mut sections)?;
    man.render_options_section(&mut sections)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut sections)?;
    }
    let mut last = Roff::default();
    let text = command
        .get_after_long_help()
        .or(command.get_after_help())
        .map(ToString::to_string);
    for block in text.iter().flat_map(|text| text.split("\n\n")) {
        let (heading, lines) = block.split_once(":\n").unwrap_or(("Notes", block));
        last.control("SH", [heading.to_uppercase().as_str()]);
        last.control("nf", []);
        for line in lines.lines() {
            last.text([roman(line)]);
        }
        last.control("fi", []);
    }
    last.control("SH", ["SEE ALSO"]);
    let others: Vec<String> = others.iter().map(|name| format!("{name}(1)")).collect();
    last.text([roman(others.join(", "))]);
    last.to_writer(&mut sections)?;

    // Each section begins with what is needed once, and has no words for an empty line that all formatters like.
    let sections = String::from_utf8(sections)?
        .replace(APOSTROPHE, "")
        .replace(".br\n\n.br\n", ".sp\n");
    let (name, version) = (page_name(command), env!("CARGO_PKG_VERSION"));
    let title = format!(".TH {name} 1 \"\" \"czip {version}\" \"User Commands\"\n");
    Ok([APOSTROPHE, &title, &sections].concat().into_bytes())
}

/// Removes what else is in a folder of generated files, such as the page of a command that is no more; with `check`, fails
/// if there is something.
fn drop_others(folder: &str, files: &BTreeMap<String, Vec<u8>>, check: bool) -> Result<()> {
    let entries = match fs::read_dir(files::root().join(folder)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(format!("{folder}: {error}").into()),
    };
    for entry in entries {
        let entry = entry?;
        let path = format!("{folder}/{}", entry.file_name().display());
        if files.contains_key(&path) {
            continue;
        }
        if check {
            return Err(format!("{path} is not generated: run `{COMMAND}` and commit the result").into());
        }
        fs::remove_file(entry.path()).map_err(|error| format!("{path}: {error}"))?;
    }
    Ok(())
}
