//! Where the segments of a file are.

use std::io::{Read, Seek, SeekFrom};

use super::frame::{self, Expected};
use super::source::{Frame, Source};
use super::{
    FormatError, Header, INDEX_END, INDEX_MAGIC, MAX_TEXT_LEN, Part, ReadError, Segment, SegmentHeader,
    SegmentInfo, varint,
};

/// The least bytes of a segment: two numbers, no payload, and a checksum.
const MIN_SEGMENT_LEN: u32 = 6;

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    segments: Vec<IndexEntry>,
    text_len: u64,
}

impl Index {
    /// Finds the segments of a file, which is all that `reader` has.
    ///
    /// Members with an index are found from the file's end backwards, each in three or four short reads. From the last
    /// member without a valid index on, the file is read from its start up to there: the header of each segment, and not
    /// its payload.
    ///
    /// What an index says is held against the segment in [`read_segment`](Self::read_segment), not before. Only segments
    /// without text, which nobody has to read, are verified here. Where a member has no index, places in the text rest
    /// on what its segments say of their lengths, and that is not verified before they are decoded.
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
        let mut index = Self {
            segments: Vec::new(),
            text_len: 0,
        };
        if rest > 0 || file_len == 0 {
            index.walk(&mut reader, rest)?;
        }
        for member in indexed.iter().rev() {
            index.push_member(member);
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
        let entry = &self.segments[segment];
        let mut source = Source::between(reader, entry.offset, u64::MAX)?;
        let header = source.segment_header(&entry.member)?;
        let found = (header.segment_len(), header.text_len(), header.last());
        if found != (entry.len, entry.text_len, entry.last) {
            return Err(FormatError::IndexEntry { offset: entry.offset }.into());
        }
        let mut payload = Vec::new();
        source.append(header.payload_len(), Part::Payload, &mut payload)?;
        let info = SegmentInfo {
            member: entry.member,
            number: entry.number,
            offset: entry.offset,
            text_offset: entry.text_offset,
            header,
            checksum: source.checksum(&header)?,
        };
        Ok(Segment { info, payload })
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

    fn push_member(&mut self, member: &Member) {
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
            let mut expected = Expected::new();
            loop {
                let offset = source.offset();
                let header = source.segment_header(&member)?;
                source.skip(header.payload_len(), Part::Payload)?;
                if header.text_len() == 0 {
                    verify_empty(&mut source, member, expected.count(), offset, header)?;
                } else {
                    source.skip(header.checksum_len(), Part::Checksum)?;
                }
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
            frame = source.frame(true)?;
            if let Frame::Index { tag } = frame {
                source.check_index(tag, &member, &expected)?;
                frame = source.frame(false)?;
            }
        }
        Ok(())
    }
}

/// Verifies a segment without text, which has no payload either, from its checksum on.
fn verify_empty<R: Read>(
    source: &mut Source<R>,
    member: Header,
    number: u64,
    offset: u64,
    header: SegmentHeader,
) -> Result<(), ReadError> {
    let info = SegmentInfo {
        member,
        number,
        offset,
        text_offset: 0, // not part of the checksum
        header,
        checksum: source.checksum(&header)?,
    };
    Ok(info.verify(&[], &[])?)
}

/// A member as its index describes it.
struct Member {
    start: u64,
    header: Header,
    /// The lengths of each segment and its text.
    entries: Vec<(u32, u32)>,
}

impl Member {
    /// The member that ends with a valid index at `end`; `None` if there is no such member.
    fn before<R: Read + Seek>(mut reader: R, end: u64) -> Result<Option<Self>, ReadError> {
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
        // These bytes may be anything's. Reading from the file's start says what is wrong, if something is.
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
        let header = match Source::between(&mut reader, member_start, header_end)?.frame(false)? {
            Frame::Header(header) if header.tag() == tag => header,
            _ => return Ok(None),
        };
        if let Some(&(len, 0)) = entries.last() {
            let offset = start - u64::from(len);
            let mut source = Source::between(reader, offset, start)?;
            let segment = source.segment_header(&header)?;
            if (segment.segment_len(), segment.text_len(), segment.last()) != (len, 0, true) {
                return Ok(None);
            }
            verify_empty(&mut source, header, entries.len() as u64 - 1, offset, segment)?;
        }
        Ok(Some(Self {
            start: member_start,
            header,
            entries,
        }))
    }
}
