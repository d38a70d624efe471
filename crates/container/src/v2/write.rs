//! Writing a member.

use std::io::Write;

use super::error::WriteError;
use super::fields::Header;
use super::frame::IndexBuilder;
use super::mode::{Mode, ModelId};
use super::segment::SegmentHeader;

/// Writes one member, segment by segment.
///
/// Nothing is written before the first segment. How many segments follow
/// need not be known, only whether any does. Another member may be written after this one, by another writer.
///
/// ```
/// use czip_container::v2::{Header, Level, Reader, Writer};
///
/// let level = Level::new(5).expect("5 is in range");
/// let mut writer = Writer::new(Vec::new(), Header { level, model: None });
/// writer.write_stored(false, b"Hello, ")?;
/// writer.write_stored(true, b"world")?;
/// let file = writer.finish()?;
///
/// let mut text = Vec::new();
/// for segment in Reader::new(&file[..]) {
///     let segment = segment?;
///     segment.verify(&segment.payload)?;
///     text.extend(segment.payload);
/// }
/// assert_eq!(text, b"Hello, world");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer<W> {
    inner: W,
    header: Header,
    /// Number of segments written.
    count: u64,
    ended: bool,
    /// `None` if no index is wanted.
    index: Option<IndexBuilder>,
}

impl<W: Write> Writer<W> {
    /// A writer of a member with this header.
    #[must_use]
    pub fn new(inner: W, header: Header) -> Self {
        Self {
            inner,
            header,
            count: 0,
            ended: false,
            index: Some(IndexBuilder::default()),
        }
    }

    /// Leaves out the index.
    ///
    /// Otherwise there is one after two or more segments, so any can be found without reading those before. It takes 2 to
    /// 8 bytes for each segment and another 18 to 24, and as much memory until it is written.
    #[must_use]
    pub fn without_index(mut self) -> Self {
        self.index = None;
        self
    }

    /// Has the header name this model, or none. It can be decided until the first segment is written.
    ///
    /// # Panics
    ///
    /// If a segment has been written, and the header with it.
    pub fn set_model(&mut self, model: Option<ModelId>) {
        assert!(self.count == 0, "the header has been written");
        self.header.model = model;
    }

    /// The writer given.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        &self.inner
    }

    /// The writer given. What is written to it directly becomes a part of the file.
    pub fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// Writes a segment whose payload is the text itself.
    pub fn write_stored(&mut self, last: bool, text: &[u8]) -> Result<(), WriteError> {
        self.write(Mode::Stored, last, text, text)
    }

    /// Writes a segment: the payload, and a checksum that also covers the text.
    ///
    /// The rules on lengths are those of [`SegmentHeader::new`]; a segment refused leaves nothing behind. If the
    /// segment is the last, the index follows.
    pub fn write(&mut self, mode: Mode, last: bool, payload: &[u8], text: &[u8]) -> Result<(), WriteError> {
        let segment = SegmentHeader::new(mode, last, payload.len(), text.len())?;
        self.write_segment(segment, payload, text)
    }

    /// Writes a segment whose payload begins with [`Copies`](super::Copies), which are not looked at here.
    ///
    /// The rules on lengths are those of [`SegmentHeader::with_copies`]; otherwise it is as [`write`](Self::write).
    pub fn write_with_copies(
        &mut self,
        mode: Mode,
        last: bool,
        payload: &[u8],
        text: &[u8],
    ) -> Result<(), WriteError> {
        let segment = SegmentHeader::with_copies(mode, last, payload.len(), text.len())?;
        self.write_segment(segment, payload, text)
    }

    fn write_segment(
        &mut self,
        segment: SegmentHeader,
        payload: &[u8],
        text: &[u8],
    ) -> Result<(), WriteError> {
        if self.ended {
            return Err(WriteError::AfterLast);
        }
        self.header.check_mode(segment.mode())?;
        let checksum = segment.checksum(&self.header, self.count, payload, text);

        if self.count == 0 {
            self.inner.write_all(&self.header.to_bytes())?;
        }
        self.inner.write_all(&segment.to_bytes())?;
        self.inner.write_all(payload)?;
        self.inner
            .write_all(&checksum.to_le_bytes()[..segment.checksum_len() as usize])?;
        self.count += 1;
        if let Some(index) = &mut self.index {
            index.push(&segment);
        }
        if segment.last() {
            self.ended = true;
            if let Some(frame) = self.index.take().and_then(|index| index.finish(&self.header)) {
                self.inner.write_all(&frame)?;
            }
        }
        Ok(())
    }

    /// Ends the member, flushes the writer and returns it.
    ///
    /// If none of the segments was the last, an empty one is written as the last.
    pub fn finish(mut self) -> Result<W, WriteError> {
        if !self.ended {
            self.write_stored(true, &[])?;
        }
        self.inner.flush()?;
        Ok(self.inner)
    }
}
