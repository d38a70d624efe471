//! Whether a text has come back as it was.

use crate::error::Error;

/// Compares a restored text with the original; the error names the first byte that differs.
pub(super) fn compare(restored: &[u8], text: &[u8]) -> Result<(), Error> {
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
