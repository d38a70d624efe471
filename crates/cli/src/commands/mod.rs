//! The commands, each ready to run.

mod compress;
mod decompress;
mod info;
mod verify;

pub(crate) use compress::Compress;
pub(crate) use decompress::Decompress;
pub(crate) use info::Info;
pub(crate) use verify::Verify;

use crate::error::{Error, Failure};
use crate::input::Input;
use crate::job::Transfer;

impl Transfer {
    /// An error of the library, in the name of the file that it concerns.
    fn failure(&self, error: czip::Error, input: &Input) -> Failure {
        match error {
            czip::Error::Io(error) if input.has_failed() => Error::Read(error).of(&self.source),
            czip::Error::Io(error) => Error::Write(error).of(&self.target),
            error => Error::Czip(error).of(&self.source),
        }
    }
}
