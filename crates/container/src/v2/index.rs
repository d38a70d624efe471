//! Where the segments of a file are.

use std::io::{Read, Seek, SeekFrom};

use super::error::{FormatError, Part, ReadError};
use super::fields::Header;
use super::frame::{self, Expected, INDEX_END, INDEX_MAGIC};
use super::mode::ModelId;
use super::segment::{MAX_TEXT_LEN, Segment, SegmentInfo};
use super::source::{Frame, Source};
use super::varint;

/// The least bytes of a segment: two numbers, no payload, and a checksum.
const MIN_SEGMENT_LEN: u32 = 6;

/// The most bytes that may have to be read to see whether a segment without text is there: two numbers of five bytes, and
/// a checksum.
const LONGEST_EMPTY_LEN: u64 = 14;

/// Where a segment is, and what it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IndexEntry {
    /// Where the segment starts in the file, in bytes.
    pub offset: u64,
    /// Its length in the file, in bytes.
    pub len: u32,
    /// Where its text starts in the file's text, in bytes.
    pub text_offset: u64,
    /// Length of its text in bytes.
    pub text_len: u32,
    /// The header of its member.
    pub member: Header,
    /// Its number in its member, from 0.
    pub number: u64,
    /// Whether it is the last of its member.
    pub last: bool,
}

impl IndexEntry {
    /// Reads the segment from a file, as if that ended at `end`.
    fn read<R: Read + Seek>(&self, reader: R, end: u64) -> Result<Segment, ReadError> {
        let mut source = Source::between(reader, self.offset, end)?;
        let header = source.segment_header(&self.member)?;
        let found = (header.segment_len(), header.text_len(), header.last());
        if found != (self.len, self.text_len, self.last) {
            return Err(FormatError::IndexEntry { offset: self.offset }.into());
        }
        let mut payload = Vec::new();
        source.append(header.payload_len(), Part::Payload, &mut payload)?;
        let info = SegmentInfo {
            member: self.member,
            number: self.number,
            offset: self.offset,
            text_offset: self.text_offset,
            header,
            checksum: source.checksum(&header)?,
        };
        Ok(Segment { info, payload })
    }
}

/// Where all segments of a file are, those of all its members.
///
/// ```
/// use std::io::Cursor;
///
/// use czip_container::v2::{Header, Index, Level, Writer};
///
/// let level = Level::new(5).expect("5 is in range");
/// let mut writer = Writer::new(Vec::new(), Header { level, model: None });
/// writer.write_stored(false, b"Hello, ")?;
/// writer.write_stored(true, b"world")?;
/// let mut file = Cursor::new(writer.finish()?);
///
/// let index = Index::open(&mut file)?;
/// assert_eq!(index.text_len(), 12);
/// assert_eq!(index.find(7), Some(1));
/// let segment = index.read_segment(&mut file, 1)?;
/// assert_eq!(segment.payload, b"world");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Index {
    segments: Vec<IndexEntry>,
    text_len: u64,
}

impl Index {
    /// Finds the segments of a file, which is all that `reader` has.
    ///
    /// Members with an index are found from the file's end backwards, each in three short reads. From the last member
    /// without a valid index on, the file is read from its start up to there: the header of each segment, and not its
    /// payload.
    ///
    /// What an index says is compared with the segment in [`read_segment`](Self::read_segment), not before. Only segments
    /// without text, which need not be read later, are read and verified here. Where a member has no index, places in the
    /// text rest on what its segments say of their lengths, and that is not verified before they are decoded.
    ///
    /// Memory in use is 64 bytes for each segment; a segment takes six bytes of the file or more.
    pub fn open<R: Read + Seek>(mut reader: R) -> Result<Self, ReadError> {
        let file_len = reader
            .seek(SeekFrom::End(0))
            .map_err(|source| ReadError::Io { offset: 0, source })?;
        let mut indexed = Vec::new();
        let mut rest = file_len;
        while let Some(member) = Member::before(&mut reader, rest)? {
            rest = member.start;
            indexed.push(member);
        }
        let mut index = Self::default();
        if rest > 0 || file_len == 0 {
            index.walk(&mut reader, rest)?;
        }
        for member in indexed.iter().rev() {
            index.push_member(member);
        }
        for entry in index.segments.iter().filter(|entry| entry.text_len == 0) {
            let end = entry.offset.saturating_add(LONGEST_EMPTY_LEN);
            entry.read(&mut reader, end)?.verify(&[])?;
        }
        Ok(index)
    }

    /// All segments, in order.
    #[must_use]
    pub fn segments(&self) -> &[IndexEntry] {
        &self.segments
    }

    /// Length of the file's text in bytes.
    #[must_use]
    pub fn text_len(&self) -> u64 {
        self.text_len
    }

    /// The segment whose text holds the byte `text_offset` of the file's text; `None` if the text is no longer than
    /// that.
    #[must_use]
    pub fn find(&self, text_offset: u64) -> Option<usize> {
        let after = self
            .segments
            .partition_point(|segment| segment.text_offset <= text_offset);
        // A segment without text shares its offset with the next one, and comes before it.
        (text_offset < self.text_len).then(|| after - 1)
    }

    /// Reads the segment with the number `segment` in [`segments`](Self::segments), from the file that the index is of.
    ///
    /// # Panics
    ///
    /// If there is no such segment.
    pub fn read_segment<R: Read + Seek>(&self, reader: R, segment: usize) -> Result<Segment, ReadError> {
        self.segments[segment].read(reader, u64::MAX)
    }

    fn push(&mut self, member: Header, number: u64, offset: u64, len: u32, text_len: u32, last: bool) {
        self.segments.push(IndexEntry {
            offset,
            len,
            text_offset: self.text_len,
            text_len,
            member,
            number,
            last,
        });
        self.text_len += u64::from(text_len);
    }

    pub(super) fn push_member(&mut self, member: &Member) {
        let mut offset = member.start + member.header.byte_len() as u64;
        for (number, &(len, text_len)) in (0..).zip(&member.entries) {
            let last = number + 1 == member.entries.len() as u64;
            self.push(member.header, number, offset, len, text_len, last);
            offset += u64::from(len);
        }
    }

    /// Adds the members from the file's start to `end`, by their segments' headers.
    fn walk<R: Read + Seek>(&mut self, reader: R, end: u64) -> Result<(), ReadError> {
        let mut source = Source::between(reader, 0, end)?;
        let mut frame = source.frame(false)?;
        while let Frame::Header(member) = frame {
            frame = self.walk_segments(&mut source, member, &mut 0)?;
        }
        Ok(())
    }

    /// Adds the one member that starts at `start`, in a file that ends at `file_len`. Returns where it ends, before
    /// another or at the file's end. With an error comes the offset of the header, segment or index that it is in; the
    /// segments before are added.
    pub(super) fn walk_member<R: Read + Seek>(
        &mut self,
        reader: R,
        start: u64,
        file_len: u64,
    ) -> Result<u64, (u64, ReadError)> {
        let mut place = start;
        self.try_walk_member(reader, start, file_len, &mut place)
            .map(|()| place)
            .map_err(|error| (place, error))
    }

    fn try_walk_member<R: Read + Seek>(
        &mut self,
        reader: R,
        start: u64,
        file_len: u64,
        place: &mut u64,
    ) -> Result<(), ReadError> {
        let mut source = Source::between(reader, start, file_len)?;
        let Frame::Header(member) = source.frame(false)? else {
            return Err(FormatError::TrailingBytes { offset: start }.into());
        };
        self.walk_segments(&mut source, member, place)?;
        Ok(())
    }

    /// Adds the segments of a member whose header has been read, and reads what comes after it. `place` is kept where the
    /// segment or frame that is being read starts.
    fn walk_segments<R: Read + Seek>(
        &mut self,
        source: &mut Source<R>,
        member: Header,
        place: &mut u64,
    ) -> Result<Frame, ReadError> {
        let mut expected = Expected::new();
        loop {
            let offset = source.offset();
            *place = offset;
            let header = source.segment_header(&member)?;
            source.skip(header.payload_len(), Part::Payload)?;
            source.skip(header.checksum_len(), Part::Checksum)?;
            self.push(
                member,
                expected.count(),
                offset,
                header.segment_len(),
                header.text_len(),
                header.last(),
            );
            expected.push(&header);
            if header.last() {
                break;
            }
        }
        *place = source.offset();
        let mut frame = source.frame(true)?;
        if let Frame::Index { tag } = frame {
            source.check_index(tag, &member, &expected)?;
            *place = source.offset();
            frame = source.frame(false)?;
        }
        Ok(frame)
    }

    /// Bytes of an index of these segments, which are those of one member; `None` if there are too few or too many for one.
    pub(super) fn frame_len(&self) -> Option<u64> {
        let count = u32::try_from(self.segments.len())
            .ok()
            .filter(|&count| count > 1)?;
        let entries = self.segments.iter();
        let lens = entries.map(|entry| u64::from(varint::len(entry.len) + varint::len(entry.text_len)));
        let body_len = u64::from(varint::len(count)).checked_add(lens.sum())?;
        frame::frame_len(u32::try_from(body_len).ok()?).map(u64::from)
    }
}

/// A member as its index describes it.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) start: u64,
    /// Where the index ends.
    pub(super) end: u64,
    pub(super) header: Header,
    /// The lengths of each segment and its text.
    entries: Vec<(u32, u32)>,
    /// What is wrong with the header in the file, if this one is made of the index's tag.
    pub(super) header_fault: Option<FormatError>,
}

impl Member {
    /// The member that ends with a valid index at `end`; `None` if there is no such member.
    fn before<R: Read + Seek>(reader: R, end: u64) -> Result<Option<Self>, ReadError> {
        let member = Self::of_damaged(reader, end)?;
        Ok(member.filter(|member| member.header_fault.is_none()))
    }

    /// As [`before`](Self::before), but the header may be damaged: an index repeats its tag, and the model id is taken as
    /// it is.
    pub(super) fn of_damaged<R: Read + Seek>(mut reader: R, end: u64) -> Result<Option<Self>, ReadError> {
        let Some(footer) = end.checked_sub(frame::FOOTER_LEN.into()) else {
            return Ok(None);
        };
        let mut source = Source::between(&mut reader, footer, end)?;
        let len = u32::from_le_bytes(source.array(Part::Index)?);
        let closing: [u8; 4] = source.array(Part::Index)?;
        let Some(start) = end.checked_sub(len.into()) else {
            return Ok(None);
        };
        if closing != INDEX_END {
            return Ok(None);
        }
        // These bytes may belong to anything. Reading from the file's start says what is wrong, if anything is.
        match Self::with_index(reader, start, end) {
            Err(ReadError::Format(_)) => Ok(None),
            result => result,
        }
    }

    fn with_index<R: Read + Seek>(mut reader: R, start: u64, end: u64) -> Result<Option<Self>, ReadError> {
        let mut source = Source::between(&mut reader, start, end)?;
        let magic: [u8; 3] = source.array(Part::Index)?;
        if magic != INDEX_MAGIC {
            return Ok(None);
        }
        let [tag] = source.array(Part::Index)?;
        let mut entries = Vec::new();
        let mut segments_len = 0;
        source.index_frame(tag, |source, body_len, count, hash| {
            let mut body = Vec::new();
            let mut left = body_len.checked_sub(varint::len(count));
            for _ in 0..count {
                let (len, text_len) = (source.number(Part::Index)?, source.number(Part::Index)?);
                body.clear();
                varint::push(len, &mut body);
                varint::push(text_len, &mut body);
                hash.update(&body);
                left = left.and_then(|left| left.checked_sub(body.len() as u32));
                segments_len += u64::from(len);
                // Segments are in the file, so there are no more entries than it has room for. None follows one
                // without text.
                let possible = len >= MIN_SEGMENT_LEN
                    && text_len as usize <= MAX_TEXT_LEN
                    && entries.last().is_none_or(|&(_, before)| before > 0);
                if left.is_none() || segments_len > start || !possible {
                    return Ok(false);
                }
                entries.push((len, text_len));
            }
            Ok(left == Some(0) && count > 0)
        })?;
        if source.offset() != end {
            return Ok(None);
        }
        let (_, has_model) = Header::parse_tag(tag, start + 3)?;
        let header_len = Header::len_of(has_model) as u64;
        let Some(member_start) = start.checked_sub(header_len + segments_len) else {
            return Ok(None);
        };
        let header_end = member_start + header_len;
        let found = Source::between(&mut reader, member_start, header_end)?.frame(false);
        let (header, header_fault) = match found {
            Ok(Frame::Header(header)) if header.tag() == tag => (header, None),
            Ok(_) => {
                let header = Self::rebuilt_header(reader, member_start, tag)?;
                (header, Some(FormatError::IndexMismatch { offset: start }))
            }
            Err(ReadError::Format(error)) => (Self::rebuilt_header(reader, member_start, tag)?, Some(error)),
            Err(error) => return Err(error),
        };
        Ok(Some(Self {
            start: member_start,
            end,
            header,
            entries,
            header_fault,
        }))
    }

    /// The header at `start` with another tag.
    fn rebuilt_header<R: Read + Seek>(reader: R, start: u64, tag: u8) -> Result<Header, ReadError> {
        let (level, has_model) = Header::parse_tag(tag, start + 3)?;
        let without = Header { level, model: None };
        let model = if has_model {
            let id = start + without.byte_len() as u64;
            let mut source = Source::between(reader, id, u64::MAX)?;
            Some(ModelId(source.array(Part::Header)?))
        } else {
            None
        };
        Ok(Header { level, model })
    }
}
