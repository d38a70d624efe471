//! The commands, each ready to run.

mod bench;
mod compress;
mod decompress;
mod group;
mod info;
mod train;
mod verify;

pub(crate) use bench::Bench;
pub(crate) use compress::Compress;
pub(crate) use decompress::Decompress;
pub(crate) use info::Info;
pub(crate) use train::{Train, checkpoint_of};
pub(crate) use verify::Verify;

use crate::error::{Error, Failure};
use crate::input::Input;
use crate::job::Transfer;

/// Whether a text has come back as it was.
fn compare(restored: &[u8], text: &[u8]) -> Result<(), Error> {
    if restored == text {
        return Ok(());
    }
    let common = restored
        .iter()
        .zip(text)
        .take_while(|(restored, original)| restored == original);
    Err(Error::RoundTrip {
        offset: common.count(),
    })
}

impl Transfer {
    /// An error of the library, in the name of the file that it concerns.
    fn failure(&self, error: czip::Error, input: &Input) -> Failure {
        match error {
            czip::Error::Io(error) if input.has_failed() => Error::Read(error).of(&self.source),
            czip::Error::Io(error) => Error::Write(error).of(&self.target),
            error => Error::from(error).of(&self.source),
        }
    }
}
