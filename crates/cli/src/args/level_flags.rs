//! The levels as flags, `-1` to `-9`.

use clap::{Arg, ArgAction, ArgMatches, Command, Error, FromArgMatches};

/// Which of the flags `-1` to `-9` was given: the last one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LevelFlags(Option<u8>);

impl LevelFlags {
    /// What the flags are known by, in the order of their levels.
    pub(crate) const IDS: [&'static str; 9] = [
        "level_1", "level_2", "level_3", "level_4", "level_5", "level_6", "level_7", "level_8", "level_9",
    ];

    pub(crate) const fn level(self) -> Option<u8> {
        self.0
    }
}

impl clap::Args for LevelFlags {
    fn augment_args(command: Command) -> Command {
        Self::IDS
            .iter()
            .zip('1'..='9')
            .fold(command, |command, (&id, digit)| {
                let others = Self::IDS
                    .into_iter()
                    .filter(|&other| other != id)
                    .chain(["level"]);
                let flag = Arg::new(id)
                    .short(digit)
                    .action(ArgAction::SetTrue)
                    .overrides_with_all(others);
                command.arg(match digit {
                    '1' => flag
                        .long("fast")
                        .help("Compress fast; -2 to -8 are between [default: -5]"),
                    '9' => flag.long("best").help("Compress as small as possible"),
                    _ => flag.hide(true),
                })
            })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for LevelFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let given = (1..).zip(Self::IDS).find(|(_, id)| matches.get_flag(id));
        Ok(Self(given.map(|(level, _)| level)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
