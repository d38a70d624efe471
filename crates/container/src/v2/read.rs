//! Reading a file from its start to its end.

use std::{fmt, io::Read, iter::FusedIterator};

use super::error::{Part, ReadError};
use super::fields::Header;
use super::frame::Expected;
use super::segment::{Segment, SegmentInfo};
use super::source::{Frame, Source};

/// Reads the segments of all members, in order.
///
/// All rules of the format that concern the container are checked, those on indexes included. What payloads decode to
/// is not known here: see [`SegmentInfo::verify`].
///
/// The reader may be unbuffered: it is read in pieces of 32 KiB. Memory in use is that and the payload, which takes at
/// most twice the bytes that have arrived of it.
///
/// As an iterator it gives a [`Segment`] with its own payload for each; [`read_into`](Self::read_into) uses the same
/// memory for all of them. After an error there is nothing more.
pub struct Reader<R> {
    source: Source<R>,
    state: State,
    /// Length of the text of all segments so far.
    text_len: u64,
}

enum State {
    /// Before a header, and perhaps after a member and its index.
    Start,
    /// Before a segment.
    Segment(Header, Expected),
    /// After the last segment of a member.
    Last(Header, Expected),
    /// After the end, or an error.
    Ended,
}

impl<R: Read> Reader<R> {
    /// A reader at the start of a file.
    #[must_use]
    pub fn new(reader: R) -> Self {
        Self {
            source: Source::new(reader, 0),
            state: State::Start,
            text_len: 0,
        }
    }

    /// The reader given, which may have been read further than the segments.
    #[must_use]
    pub fn get_ref(&self) -> &R {
        self.source.get_ref()
    }

    /// The reader given, which may have been read further than the segments. What is read from it directly is missing
    /// here.
    pub fn get_mut(&mut self) -> &mut R {
        self.source.get_mut()
    }

    /// The reader given, which may have been read further than the segments.
    #[must_use]
    pub fn into_inner(self) -> R {
        self.source.into_inner()
    }

    /// Reads the next segment; `None` at the end of the file.
    pub fn read(&mut self) -> Result<Option<Segment>, ReadError> {
        let mut payload = Vec::new();
        let info = self.read_into(&mut payload)?;
        Ok(info.map(|info| Segment { info, payload }))
    }

    /// Reads the next segment and replaces what `payload` holds by its payload; `None` at the end of the file.
    pub fn read_into(&mut self, payload: &mut Vec<u8>) -> Result<Option<SegmentInfo>, ReadError> {
        payload.clear();
        let Some((member, mut expected)) = self.next_member()? else {
            return Ok(None);
        };
        let offset = self.source.offset();
        let header = self.source.segment_header(&member)?;
        self.source.append(header.payload_len(), Part::Payload, payload)?;
        let info = SegmentInfo {
            member,
            number: expected.count(),
            offset,
            text_offset: self.text_len,
            header,
            checksum: self.source.checksum(&header)?,
        };
        self.text_len += u64::from(header.text_len());
        expected.push(&header);
        self.state = if header.last() {
            State::Last(member, expected)
        } else {
            State::Segment(member, expected)
        };
        Ok(Some(info))
    }

    /// Moves to the next segment, perhaps into the next member. The state is [`State::Ended`] meanwhile.
    fn next_member(&mut self) -> Result<Option<(Header, Expected)>, ReadError> {
        let frame = match std::mem::replace(&mut self.state, State::Ended) {
            State::Ended => return Ok(None),
            State::Segment(header, expected) => return Ok(Some((header, expected))),
            State::Start => self.source.frame(false)?,
            State::Last(header, expected) => match self.source.frame(true)? {
                Frame::Index { tag } => {
                    self.source.check_index(tag, &header, &expected)?;
                    self.source.frame(false)?
                }
                frame => frame,
            },
        };
        Ok(match frame {
            Frame::Header(header) => Some((header, Expected::new())),
            Frame::Index { .. } | Frame::End => None,
        })
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Segment, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

impl<R: Read> FusedIterator for Reader<R> {}

/// Says how far the file is read.
impl<R> fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("text_len", &self.text_len)
            .finish_non_exhaustive()
    }
}
