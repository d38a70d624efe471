//! The texts around the definition of the command line.

use clap::Command;

use crate::exit::Exit;

/// The definition of the command line with its texts, under the name that the program was called by.
pub(super) fn complete(command: Command, program: &'static str) -> Command {
    let after = after_help();
    // Two short options mean something else where there is no command, as in other compressors.
    let mut command = command
        .name(program)
        .bin_name(program)
        .mut_arg("codec", |arg| arg.short(None))
        .mut_arg("tokenizer", |arg| arg.short(None))
        .mut_arg("input_option", |arg| arg.hide(true))
        .after_help(format!(
            "{program} --help says more, and {program} COMMAND --help what a command does."
        ))
        .after_long_help(format!("{}\n\n{after}", examples(program)))
        // `-c` names a codec there.
        .mut_subcommand("compress", |command| {
            command.mut_arg("stdout", |arg| arg.short(None))
        });
    // These names stand for a command, which is not named again.
    for (name, subcommand, operands) in [("czcat", "cat", "[FILE]..."), ("czgrep", "grep", "<ARGUMENT>...")] {
        if program == name {
            let usage = format!("{program} [OPTIONS] {operands}");
            command = command.mut_subcommand(subcommand, |command| command.override_usage(usage));
        }
    }
    for name in SUBCOMMANDS {
        let after = if *name == "grep" {
            AFTER_GREP.to_owned()
        } else {
            after.clone()
        };
        command = command.mut_subcommand(name, |command| command.after_long_help(after));
    }
    command
}

const AFTER_GREP: &str = "\
Exit codes, as those of grep:
  0    a line was found
  1    none was found
  2    an error; also 3 and 4 as with other commands

Options:
  What follows the command is grep's, such as -q, -v and --color.
  The general options of czip stand before it, as in czip -T 1 grep PATTERN FILE.";

/// The names of all commands.
pub(crate) const SUBCOMMANDS: &[&str] = &[
    "compress",
    "decompress",
    "cat",
    "grep",
    "info",
    "verify",
    "bench",
    "train",
    "adapt",
    #[cfg(feature = "import")]
    "import",
];

fn examples(program: &str) -> String {
    let mut examples = format!(
        "\
Examples:
  {program} notes.txt                                 makes notes.txt.czip
  {program} -d notes.txt.czip                         makes notes.txt
  {program} -9 --rm *.txt                             as small as possible; the inputs are removed
  {program} -l *.czip                                 lengths, ratio, model
  {program} -r letters --output-dir packed            all files of a folder, to another
  {program} cat --range 1M..2M book.czip              a part of a text
  {program} < in > out                                from standard input to standard output
  tar -I {program} -cf letters.tar.czip letters       with tar; and -xf to restore
  {program} verify *.txt                              do the texts round-trip, and how small do they get
  {program} bench notes.txt                           size and speed, beside other compressors
  {program} train -o mine.czm --minutes 30 letters/   a model trained on the texts in a folder
  {program} -m mine.czm letter.txt                    compresses with it; -d finds it by -m, too
  {program} adapt standard letters/ -o mine.czm       a built-in model, adapted to them"
    );
    if cfg!(feature = "import") {
        examples.push_str(&format!(
            "\n  {program} import SmolLM2.gguf -o smollm2.czm        an open language model, in integers"
        ));
    }
    examples
}

fn after_help() -> String {
    format!(
        "\
Exit codes:
  0    success
  1    a file cannot be read or written, or its contents cannot be used, or it was skipped
  2    the command line is invalid
  3    the file needs another model, or the model another tokenizer
  4    a compressed file, model or tokenizer is malformed or damaged
  {}  interrupted; other signals give 128 plus their number

Environment variables:
  CZIP_MODEL  the model to use when there is no -m. It may list several models and folders of models, separated
              as in PATH: compressing uses the first file, restoring uses whichever a file needs
  CZIP_LEVEL  the level to compress at when none is given, 1 to 9
  NO_COLOR    if it is not empty, there are no colours",
        Exit::INTERRUPTED
    )
}
