//! What can still be found in a damaged file.

use std::io::{Read, Seek, SeekFrom};

use super::error::{FormatError, ReadError};
use super::fields::{Header, MAGIC};
use super::index::{Index, Member};

/// Bytes that are searched at a time.
const SEARCH_LEN: usize = 64 << 10;

/// Finds the segments of a damaged file, member by member.
///
/// Members at the file's end that have a valid index are found from there backwards, even where their headers or segments
/// are damaged. Those before them are found from the file's start by the lengths in their segments, and by the index of a
/// member where these lead nowhere. If there is none, [`resume`](Self::resume) searches for the next whole member.
///
/// Lengths are what the file says: only the checksum of a segment tells whether it is one.
#[derive(Debug)]
pub struct Salvage<R> {
    reader: R,
    file_len: u64,
    /// Members at the file's end that have an index, the last first.
    indexed: Vec<Member>,
    /// Where the next member should start.
    next: u64,
}

/// What is left of a member.
#[derive(Debug)]
#[non_exhaustive]
pub struct Remains {
    /// Where the member starts in the file, in bytes.
    pub start: u64,
    /// Its segments. Offsets in the text are those in the member's text.
    pub index: Index,
    /// What is wrong with its header, where an index tells what the header was.
    pub header_fault: Option<FormatError>,
    /// Where and why the next member or the end of the file could not be found. Then
    /// [`Salvage::resume`] must be called.
    pub lost: Option<(u64, FormatError)>,
    /// The bytes that an index of these segments takes; `None` if there are too few or too many for one.
    pub index_len: Option<u64>,
}

impl<R: Read + Seek> Salvage<R> {
    /// Finds the members at the end of a file, which is all that `reader` has.
    ///
    /// # Errors
    ///
    /// What the reader reports.
    pub fn new(mut reader: R) -> Result<Self, ReadError> {
        let file_len = reader
            .seek(SeekFrom::End(0))
            .map_err(|source| ReadError::Io { offset: 0, source })?;
        let mut salvage = Self {
            reader,
            file_len,
            indexed: Vec::new(),
            next: 0,
        };
        let mut end = file_len;
        while let Some(member) = Member::of_damaged(&mut salvage.reader, end)? {
            end = member.start;
            salvage.indexed.push(member);
        }
        Ok(salvage)
    }

    /// Length of the file in bytes.
    pub fn file_len(&self) -> u64 {
        self.file_len
    }

    /// The reader.
    pub fn reader(&mut self) -> &mut R {
        &mut self.reader
    }

    /// What is left of the next member; `None` at the end of the file.
    ///
    /// # Errors
    ///
    /// What the reader reports.
    pub fn next_member(&mut self) -> Result<Option<Remains>, ReadError> {
        if self.next >= self.indexed_from() {
            let Some(member) = self.indexed.pop() else {
                return Ok(None);
            };
            self.next = member.end;
            return Ok(Some(Remains::of_indexed(member)));
        }
        let start = self.next;
        let mut index = Index::default();
        let walked = index.walk_member(&mut self.reader, start, self.file_len);
        let (place, error) = match walked {
            Ok(end) => {
                self.move_to(end);
                return Ok(Some(Remains::of_walked(start, index)));
            }
            Err((place, ReadError::Format(error))) => (place, error),
            Err((_, error)) => return Err(error),
        };
        // A member's own index is where the next one starts. The next one's tells that this one ends here.
        let ended = index.segments().last().is_some_and(|last| last.last);
        let to = self.indexed_from();
        let mut next_found = ended && place == to;
        let mut own = None;
        if !next_found {
            own = self.search(start + 1, to, |reader, end| {
                let member = Member::of_damaged(reader, end)?;
                next_found |= ended && member.as_ref().is_some_and(|member| member.start == place);
                Ok(member.filter(|member| member.start == start))
            })?;
        }
        if let Some(member) = own {
            self.move_to(member.end);
            return Ok(Some(Remains::of_indexed(member)));
        }
        if next_found {
            self.move_to(place);
            return Ok(Some(Remains::of_walked(start, index)));
        }
        Ok(Some(Remains {
            lost: Some((place, error)),
            ..Remains::of_walked(start, index)
        }))
    }

    /// Searches from the byte `from` on for the next member that can be walked through to its end and is followed by
    /// another or by the end of the file, or has an index as those at the file's end. Returns where it starts, or the
    /// file's end, and goes on from there.
    ///
    /// # Errors
    ///
    /// What the reader reports.
    pub fn resume(&mut self, from: u64) -> Result<u64, ReadError> {
        self.move_to(from);
        let (to, file_len) = (self.indexed_from(), self.file_len);
        let found = self.search(from, to, |reader, place| {
            match Index::default().walk_member(reader, place, file_len) {
                Ok(_) => Ok(Some(place)),
                Err((_, ReadError::Format(_))) => Ok(None),
                Err((_, error)) => Err(error),
            }
        })?;
        self.next = found.unwrap_or(to);
        Ok(self.next)
    }

    /// Where the members with an index begin.
    fn indexed_from(&self) -> u64 {
        self.indexed.last().map_or(self.file_len, |member| member.start)
    }

    /// Goes on at a byte. Indexes that would begin before it are others' contents.
    fn move_to(&mut self, next: u64) {
        self.next = next;
        while self.indexed.last().is_some_and(|member| member.start < next) {
            self.indexed.pop();
        }
    }

    /// Calls `accept` with each place from `from` up to, but not including, `to` where a header may start, until
    /// it returns something.
    fn search<T>(
        &mut self,
        from: u64,
        to: u64,
        mut accept: impl FnMut(&mut R, u64) -> Result<Option<T>, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        const START_LEN: usize = MAGIC.len() + 1;
        let mut at = from;
        let mut bytes = Vec::with_capacity(SEARCH_LEN);
        loop {
            bytes.clear();
            let len = to.saturating_sub(at).min(SEARCH_LEN as u64);
            let failed = |source| ReadError::Io { offset: at, source };
            self.reader.seek(SeekFrom::Start(at)).map_err(failed)?;
            (&mut self.reader)
                .take(len)
                .read_to_end(&mut bytes)
                .map_err(failed)?;
            for (place, start) in (at..).zip(bytes.windows(START_LEN)) {
                let is_header =
                    start.starts_with(&MAGIC) && Header::parse_tag(start[MAGIC.len()], place).is_ok();
                if is_header && let Some(found) = accept(&mut self.reader, place)? {
                    return Ok(Some(found));
                }
            }
            if bytes.len() < SEARCH_LEN {
                return Ok(None);
            }
            // What begins at the end of these bytes is looked at with the next.
            at += (SEARCH_LEN - (START_LEN - 1)) as u64;
        }
    }
}

impl Remains {
    fn of_indexed(member: Member) -> Self {
        let mut index = Index::default();
        index.push_member(&member);
        Self {
            header_fault: member.header_fault,
            ..Self::of_walked(member.start, index)
        }
    }

    fn of_walked(start: u64, index: Index) -> Self {
        Self {
            start,
            index_len: index.frame_len(),
            index,
            header_fault: None,
            lost: None,
        }
    }
}
