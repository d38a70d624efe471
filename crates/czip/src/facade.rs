//! Whole texts and files of either format: chooses between [`v1`](crate::v1) and [`v2`].

use std::io::{Read, Seek, SeekFrom, Write};

use crate::counted::Counted;
use crate::error::Error;
use crate::model::Model;
use crate::models::Models;
use crate::options::Options;
use crate::summary::{Format, Summary};
use crate::v2::{self, Decoder, Recovery};

/// Compresses a text, which may be any bytes, to a file of the format czip v2.
///
/// With a model, its tokens and its net are used where they make the file smaller. Without one, everything is coded as
/// bytes.
///
/// # Errors
///
/// Only [`Error::Stopped`], and only if [`Options::stop_when`] says so.
pub fn compress<'a>(
    model: impl Into<Option<&'a Model>>,
    text: &[u8],
    options: &Options,
) -> Result<Vec<u8>, Error> {
    v2::compress(model.into(), text, options)
}

/// Compresses all of `input` to a file of the format czip v2, in bounded memory.
///
/// # Errors
///
/// What reader and writer report.
pub fn compress_to<'a>(
    model: impl Into<Option<&'a Model>>,
    mut input: impl Read,
    mut output: impl Write,
    options: &Options,
) -> Result<Summary, Error> {
    v2::compress_to(model.into(), &mut input, &mut output, options)
}

/// Compresses each of several texts to a separate file, all of them side by side.
///
/// The files are those that [`compress`] makes, and so are the errors. The results are in the order of the texts.
pub fn compress_many<'a, T: AsRef<[u8]>>(
    model: impl Into<Option<&'a Model>>,
    texts: &[T],
    options: &Options,
) -> Vec<Result<Vec<u8>, Error>> {
    let texts: Vec<&[u8]> = texts.iter().map(AsRef::as_ref).collect();
    v2::compress_many(model.into(), &texts, options)
}

/// Restores the text of a file of either format.
///
/// # Errors
///
/// A file that is malformed or damaged, asks for more than the [`Limits`](crate::Limits), or needs a model that is not
/// among those given. For CZIPv1 see also [`v1::decompress`](crate::v1::decompress).
pub fn decompress<'a>(
    models: impl Into<Models<'a>>,
    file: &[u8],
    options: &Options,
) -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();
    decompress_to(models, file, &mut text, options)?;
    Ok(text)
}

/// Restores the text of a file of either format, which is all that `input` has. For czip v2, memory is bounded.
///
/// Text is written as it is decoded, so `output` may have received some of it by the time an error is found. With czip
/// v2, that text has been verified.
///
/// # Errors
///
/// As [`decompress`], and what reader and writer report.
pub fn decompress_to<'a>(
    models: impl Into<Models<'a>>,
    mut input: impl Read,
    mut output: impl Write,
    options: &Options,
) -> Result<Summary, Error> {
    restore(models.into(), &mut input, &mut output, options)
}

/// Dynamic, and so compiled once, and here.
fn restore(
    models: Models<'_>,
    input: &mut dyn Read,
    output: &mut dyn Write,
    options: &Options,
) -> Result<Summary, Error> {
    let mut input = Counted::new(input);
    let mut start = Vec::new();
    (&mut input)
        .take(Format::DETECTION_LEN as u64)
        .read_to_end(&mut start)?;
    let format = detect(&start)?;
    let mut whole = (&start[..]).chain(&mut input);
    match format {
        Format::V1 => v1_to(models, whole, output, options),
        Format::V2 => {
            let mut decoder = Decoder::new(models, &mut whole, options);
            while let Some(piece) = decoder.next_piece()? {
                output.write_all(piece)?;
            }
            output.flush()?;
            let summary = decoder.summary();
            Ok(Summary {
                file_len: input.count,
                ..summary
            })
        }
    }
}

#[cfg(feature = "v1")]
fn v1_to(
    models: Models<'_>,
    input: impl Read,
    output: &mut dyn Write,
    options: &Options,
) -> Result<Summary, Error> {
    let summary = crate::v1::decompress_to(models.for_v1()?, input, output, options)?;
    Ok(Summary {
        text_len: summary.text_len,
        file_len: summary.file_len,
        segments: summary.chunks,
        v1: Some(summary),
        ..Summary::new(Format::V1)
    })
}

#[cfg(not(feature = "v1"))]
fn v1_to(_: Models<'_>, _: impl Read, _: &mut dyn Write, _: &Options) -> Result<Summary, Error> {
    Err(Error::V1NotBuilt)
}

/// Restores what it can of a damaged file of the format czip v2, and says what is missing. The file must be all that
/// `input` has.
///
/// Text is written in the order of the file, one piece after the other, and only if its checksum is right. A damaged
/// segment, or a missing model, does not keep the other segments from being restored:
///
/// * If a member has a valid index, all of its intact segments are restored, whatever else is damaged. The one
///   exception is the model id in the member's header, which all segments need. The member must be the last of the
///   file, or be followed by another whose first four bytes are intact.
/// * If it has none, segments are restored up to where the length of one is damaged, or the file was cut short. What
///   follows is lost, up to the next member whose structure is intact and which is followed by another or by the end of
///   the file, or has an index at the end of the file. How much text was lost is unknown.
///
/// If a length is damaged and there is no index, the search for the next member may find a czip file that was itself
/// compressed and stored unchanged. Its text is then restored instead of its bytes.
///
/// It takes the memory of [`Index::open`](crate::Index::open) for each member, and that of decoding.
///
/// ```
/// use std::io::Cursor;
///
/// use czip::{Options, recover_to};
///
/// let options = Options::new().segment_len(1 << 10);
/// let text = b"Integers are the same everywhere. ".repeat(100);
/// let mut file = czip::compress(None, &text, &options)?;
/// file[20] ^= 1;
///
/// let mut restored = Vec::new();
/// let recovery = recover_to(None, Cursor::new(&file), &mut restored, &options)?;
/// assert_eq!(restored, &text[1024..]);
/// let missing = &recovery.missing[0];
/// assert_eq!((missing.text_offset, missing.text_len), (Some(0), Some(1024)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// What reader and writer report; a file that is empty; a file of CZIPv1, which has no checksums. Anything else is the
/// [`reason`](crate::Missing::reason) why something is missing. Segments whose text would exceed the
/// [`Limits`](crate::Limits) are also missing.
pub fn recover_to<'a>(
    models: impl Into<Models<'a>>,
    mut input: impl Read + Seek,
    mut output: impl Write,
    options: &Options,
) -> Result<Recovery, Error> {
    recover(models.into(), &mut input, &mut output, options)
}

/// A trait object has one trait besides marker traits.
trait ReadSeek: Read + Seek {}

impl<T: Read + Seek> ReadSeek for T {}

/// Dynamic for the same reason as [`restore`].
fn recover(
    models: Models<'_>,
    mut input: &mut dyn ReadSeek,
    output: &mut dyn Write,
    options: &Options,
) -> Result<Recovery, Error> {
    let mut start = Vec::new();
    input.seek(SeekFrom::Start(0))?;
    (&mut input)
        .take(Format::DETECTION_LEN as u64)
        .read_to_end(&mut start)?;
    match Format::detect(&start) {
        Some(Format::V1) => Err(Error::CannotRecover),
        None if start.is_empty() => Err(Error::UnknownFormat { found: start }),
        // The start of the file may be what is damaged.
        Some(Format::V2) | None => v2::recover_to(models, input, output, options),
    }
}

/// Restores the text of each of several files, all of them side by side; those of CZIPv1 one after the other.
///
/// The results are in the order of the files. An error in one does not affect the others.
pub fn decompress_many<'a, T: AsRef<[u8]>>(
    models: impl Into<Models<'a>>,
    files: &[T],
    options: &Options,
) -> Vec<Result<Vec<u8>, Error>> {
    let models = models.into();
    let files = files.iter().map(AsRef::as_ref);
    let formats: Vec<(&[u8], Option<Format>)> = files.map(|file| (file, Format::detect(file))).collect();
    let of_v2 = formats.iter().filter(|(_, format)| *format == Some(Format::V2));
    let of_v2: Vec<&[u8]> = of_v2.map(|(file, _)| *file).collect();
    let mut texts = v2::decompress_many(models, &of_v2, options).into_iter();
    let text = |(file, format): (&[u8], Option<Format>)| match format {
        Some(Format::V2) => texts
            .next()
            .unwrap_or_else(|| unreachable!("each file has a result")),
        _ => decompress(models, file, options),
    };
    formats.into_iter().map(text).collect()
}

fn detect(file: &[u8]) -> Result<Format, Error> {
    Format::detect(file).ok_or_else(|| Error::UnknownFormat {
        found: file[..file.len().min(Format::DETECTION_LEN)].to_vec(),
    })
}
