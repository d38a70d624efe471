//! Rows of tables: CSV and TSV.
//!
//! CSV is that of RFC 4180, and as programs write it: rows end with LF, CR LF or CR, and need not have the same number
//! of fields; a quote that does not begin a field is a character. A quote that is never closed would make one field of
//! all that follows, so the end of the table inside quotes, or a row of very many lines, is an error. TSV has no
//! quotes: a row is a line, and a quote a character.

use std::ops::Range;

/// The most lines of a row.
pub(super) const MAX_LINES: u64 = 1000;

/// What separates fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Commas, with quotes.
    Csv,
    /// Tabs, without quotes.
    Tsv,
}

/// Why the rows after some place can't be told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OpenQuote {
    /// The line, from 1, where the row starts.
    pub(super) row: u64,
    /// The line of the quote that is not closed.
    pub(super) quote: u64,
    /// Whether the table ends inside the quotes; else the row has too many lines.
    pub(super) at_end: bool,
}

/// One row. It is reused for the next.
#[derive(Debug, Default)]
pub(super) struct Row {
    text: Vec<u8>,
    /// Where each field ends in `text`.
    ends: Vec<usize>,
    /// The line, from 1, where it starts.
    pub(super) line: u64,
    /// The line where a closing quote is followed by text: that quote, or the one before it, is a wrong one.
    pub(super) after_quote: Option<u64>,
}

impl Row {
    /// The number of fields.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A field's bytes, without quotes.
    pub(super) fn field(&self, index: usize) -> Option<&[u8]> {
        Some(&self.text[self.range(index)?])
    }

    pub(super) fn fields(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).filter_map(|index| self.field(index))
    }

    fn range(&self, index: usize) -> Option<Range<usize>> {
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(start..*self.ends.get(index)?)
    }

    fn begin(&mut self, line: u64) {
        self.text.clear();
        self.ends.clear();
        self.line = line;
        self.after_quote = None;
    }

    fn end_field(&mut self) {
        self.ends.push(self.text.len());
    }
}

/// Reads the rows of a table.
#[derive(Debug)]
pub(super) struct Rows<'t> {
    table: &'t [u8],
    form: Form,
    at: usize,
    line: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the start of a field.
    Start,
    /// In a field without quotes, or after the quotes of one.
    Plain,
    /// In quotes.
    Quoted,
    /// Behind a quote in quotes: the end, or the first half of a quote that is meant.
    Closing,
}

impl<'t> Rows<'t> {
    pub(super) fn new(table: &'t [u8], form: Form) -> Self {
        Self {
            table,
            form,
            at: 0,
            line: 1,
        }
    }

    /// The line, from 1, that comes next.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next row, unless there is none. Lines without anything are no rows.
    pub(super) fn next(&mut self, row: &mut Row) -> Result<bool, OpenQuote> {
        while let Some(&byte) = self.table.get(self.at)
            && is_line_end(byte)
        {
            self.at += 1;
            self.count(byte);
        }
        row.begin(self.line);
        if self.at == self.table.len() {
            return Ok(false);
        }

        let delimiter = match self.form {
            Form::Csv => b',',
            Form::Tsv => b'\t',
        };
        let mut state = State::Start;
        let mut was_quoted = false;
        let mut open_quote = OpenQuote {
            row: self.line,
            quote: self.line,
            at_end: true,
        };
        while let Some(&byte) = self.table.get(self.at) {
            self.at += 1;
            match state {
                State::Quoted if byte == b'"' => state = State::Closing,
                State::Quoted => {
                    row.text.push(byte);
                    self.count(byte);
                    if self.line - row.line >= MAX_LINES {
                        return Err(OpenQuote {
                            at_end: false,
                            ..open_quote
                        });
                    }
                }
                State::Closing if byte == b'"' => {
                    row.text.push(byte);
                    state = State::Quoted;
                }
                State::Start if byte == b'"' && self.form == Form::Csv => {
                    open_quote.quote = self.line;
                    was_quoted = true;
                    state = State::Quoted;
                }
                _ if byte == delimiter => {
                    row.end_field();
                    was_quoted = false;
                    state = State::Start;
                }
                _ if is_line_end(byte) => {
                    row.end_field();
                    if byte == b'\r' && self.table.get(self.at) == Some(&b'\n') {
                        self.at += 1;
                    }
                    self.line += 1;
                    return Ok(true);
                }
                _ => {
                    if was_quoted && byte != b' ' && byte != b'\t' {
                        row.after_quote.get_or_insert(self.line);
                    }
                    row.text.push(byte);
                    state = State::Plain;
                }
            }
        }
        if state == State::Quoted {
            return Err(open_quote);
        }
        row.end_field();
        Ok(true)
    }

    /// Counts the line that a byte which was just read may end. Of CR LF, the latter counts.
    fn count(&mut self, byte: u8) {
        let ends = byte == b'\n' || (byte == b'\r' && self.table.get(self.at) != Some(&b'\n'));
        self.line += u64::from(ends);
    }
}

const fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each row's line and fields, with `!` for text after quotes; or what is wrong.
    fn rows(table: &str, form: Form) -> Result<Vec<(u64, Vec<String>)>, OpenQuote> {
        let mut rows = Rows::new(table.as_bytes(), form);
        let mut row = Row::default();
        let mut all = Vec::new();
        while rows.next(&mut row)? {
            let mut fields: Vec<String> = row
                .fields()
                .map(|field| String::from_utf8_lossy(field).into_owned())
                .collect();
            assert_eq!(fields.len(), row.len());
            assert_eq!(row.field(row.len()), None);
            if let Some(line) = row.after_quote {
                fields.push(format!("!{line}"));
            }
            all.push((row.line, fields));
        }
        Ok(all)
    }

    fn csv(table: &str) -> Vec<(u64, Vec<String>)> {
        rows(table, Form::Csv).unwrap()
    }

    fn row(line: u64, fields: &[&str]) -> (u64, Vec<String>) {
        (line, fields.iter().map(|&field| field.to_owned()).collect())
    }

    #[test]
    fn rows_and_fields() {
        assert_eq!(csv(""), []);
        assert_eq!(csv("\n\r\n\r"), []);
        assert_eq!(
            csv("a,b\r\n\n,\rc"),
            [row(1, &["a", "b"]), row(3, &["", ""]), row(4, &["c"])]
        );
        assert_eq!(csv("a,"), [row(1, &["a", ""])]);
        assert_eq!(
            csv("\"a,\"\"b\"\"\r\nc\rd\ne\",\"\"\nf"),
            [row(1, &["a,\"b\"\r\nc\rd\ne", ""]), row(5, &["f"])]
        );
        assert_eq!(csv("a\"b\", \"c\""), [row(1, &["a\"b\"", " \"c\""])]);
    }

    #[test]
    fn tabs_have_no_quotes() {
        assert_eq!(
            rows("a\t\"b\n\"c\"\td,e", Form::Tsv).unwrap(),
            [row(1, &["a", "\"b"]), row(2, &["\"c\"", "d,e"])]
        );
    }

    #[test]
    fn text_behind_quotes_is_told_of() {
        assert_eq!(csv("\"a\" ,b"), [row(1, &["a ", "b"])]);
        assert_eq!(
            csv("x\n\"a\n\"b,\"c\"\"d\"\ne"),
            [row(1, &["x"]), row(2, &["a\nb", "c\"d", "!3"]), row(4, &["e"])]
        );
        assert_eq!(csv("\"a\" \"b\""), [row(1, &["a \"b\"", "!1"])]);
    }

    #[test]
    fn open_quotes_are_errors() {
        let open = |row, quote, at_end| Err(OpenQuote { row, quote, at_end });
        assert_eq!(rows("a\n\"b\nc\",\"d\n\n", Form::Csv), open(2, 3, true));
        assert_eq!(rows("\"", Form::Csv), open(1, 1, true));
        assert_eq!(rows("\"\"", Form::Csv), Ok(vec![row(1, &[""])]));
        let lines = |count| format!("a\n\"{}\"\n", "\n".repeat(count));
        // A row has a line more than line ends in it.
        assert_eq!(csv(&lines(999)).len(), 2);
        assert_eq!(rows(&lines(1000), Form::Csv), open(2, 2, false));
    }

    /// A table as programs write it.
    fn written(table: &[Vec<String>], end: &str) -> String {
        let quoted = |field: &String| format!("\"{}\"", field.replace('"', "\"\""));
        let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",") + end;
        table.iter().map(line).collect()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            table in proptest::collection::vec(proptest::collection::vec("[ab\",\r\n]{0,6}", 1..4), 0..6),
            end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        ) {
            let read: Vec<Vec<String>> = csv(&written(&table, end)).into_iter().map(|(_, row)| row).collect();
            prop_assert_eq!(read, table);
        }

        #[test]
        fn any_bytes_are_read_or_refused(table in "[a\",\t\r\n]{0,40}") {
            for form in [Form::Csv, Form::Tsv] {
                let read = rows(&table, form);
                prop_assert!(read.is_ok() || form == Form::Csv && table.contains('"'));
            }
        }
    }
}
