//! Reads documents: a file goes in; its documents are appended to a list, and faults are counted.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::document::{Document, Source};
use super::error::Error;
use super::faults::{Fault, LeftOut, Reason};
use super::inputs::{InputFile, STDIN, io_error};
use super::options::CorpusOptions;
use super::own;
use super::table::{Form, OpenQuote, Row, Rows};
use crate::quote;

/// The most fields that an error names.
const MAX_FIELDS: usize = 40;

/// Some files of records begin with one. It is not part of the first record.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Reads the documents of files, and keeps track of unusable input and of the fields that records have.
pub(super) struct Reader<'o> {
    options: &'o CorpusOptions,
    left_out: LeftOut,
    /// Whether a file of records was read.
    has_records: bool,
    /// Whether a record had the field.
    has_field: bool,
    /// The fields of the records that lacked it.
    fields: BTreeSet<String>,
}

/// What a file holds where a field is named.
enum Records {
    Json,
    Table(Form),
}

impl Records {
    fn of(path: &Path) -> Option<Records> {
        if path == Path::new(STDIN) {
            return Some(Records::Json);
        }
        match path.extension()?.to_ascii_lowercase().to_str()? {
            "ndjson" | "jsonl" => Some(Records::Json),
            "csv" => Some(Records::Table(Form::Csv)),
            "tsv" => Some(Records::Table(Form::Tsv)),
            _ => None,
        }
    }
}

impl<'o> Reader<'o> {
    pub(super) fn new(options: &'o CorpusOptions) -> Self {
        Reader {
            options,
            left_out: LeftOut::default(),
            has_records: false,
            has_field: false,
            fields: BTreeSet::new(),
        }
    }

    /// Counts a file or folder that cannot be read.
    pub(super) fn add_fault(&mut self, fault: Fault) {
        self.left_out.files.of += 1;
        self.left_out.files.push(fault);
    }

    /// Appends the documents of a file to `out`.
    pub(super) fn read(
        &mut self,
        file: &InputFile,
        stdin: &mut dyn Read,
        out: &mut Vec<Document>,
    ) -> Result<(), Error> {
        let path = &file.path;
        let bytes = if path == Path::new(STDIN) {
            let mut bytes = Vec::new();
            stdin.read_to_end(&mut bytes).map(|_| bytes)
        } else {
            fs::read(path)
        };
        let bytes = match bytes {
            Ok(bytes) => bytes,
            Err(source) if file.is_named => return Err(io_error(path, source)),
            Err(error) => {
                self.add_fault(Fault::of_file(path, Reason::Unreadable(error.to_string())));
                return Ok(());
            }
        };
        if !file.is_named && own::is_own(path, &bytes) {
            self.left_out.made_by_czip += 1;
            return Ok(());
        }

        let records = match &self.options.field {
            Some(field) => Records::of(path).map(|records| (records, field)),
            None => None,
        };
        let source: Arc<Path> = path.as_path().into();
        match records {
            None => match String::from_utf8(bytes) {
                Ok(text) => self.add_text(text, &source, out),
                Err(error) => {
                    let offset = error.utf8_error().valid_up_to();
                    if file.is_named {
                        return Err(Error::NotUtf8 {
                            path: path.clone(),
                            offset,
                        });
                    }
                    self.add_fault(Fault::of_file(path, Reason::NotUtf8 { offset }));
                    return Ok(());
                }
            },
            Some((records, field)) => {
                self.has_records = true;
                let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(&bytes);
                match records {
                    Records::Json => self.add_json(bytes, field, &source, out),
                    Records::Table(form) => self.add_table(bytes, form, field, &source, out)?,
                }
            }
        }
        self.left_out.files.of += 1;
        Ok(())
    }

    /// Whether a file of records was read.
    pub(super) fn has_records(&self) -> bool {
        self.has_records
    }

    /// What was left out. It is an error if that is too much, or if `is_needed` and no record had the field.
    pub(super) fn finish(self, is_needed: bool) -> Result<LeftOut, Error> {
        let left_out = self.left_out;
        if left_out.files.are_too_many() {
            return Err(Error::BadFiles(left_out.files));
        }
        if left_out.records.are_too_many() {
            return Err(Error::BadRecords(left_out.records));
        }
        if let (Some(field), true) = (&self.options.field, is_needed) {
            if !self.has_records {
                return Err(Error::NoRecords { field: field.clone() });
            }
            // A file without any records is empty, not without the field.
            if !self.has_field && left_out.without_field > 0 {
                return Err(Error::NoField {
                    field: field.clone(),
                    fields: self.fields.into_iter().collect(),
                });
            }
        }
        Ok(left_out)
    }

    fn add_text(&self, text: String, path: &Arc<Path>, out: &mut Vec<Document>) {
        let separator = match self.options.separator.as_deref().map(str::trim) {
            Some(separator) if !separator.is_empty() => separator,
            _ => return push(out, text, path, None),
        };
        let is_separator = |line: &str| line.trim_start_matches('\u{feff}').trim() == separator;
        // Looking first keeps a text without separators in the memory that it's in.
        if !text.contains(separator) || !text.lines().any(is_separator) {
            return push(out, text, path, None);
        }
        let mut start = 0;
        let mut start_line = 1;
        let mut at = 0;
        for (line, number) in text.split_inclusive('\n').zip(2..) {
            if is_separator(line) {
                push(out, text[start..at].to_owned(), path, Some(start_line));
                start = at + line.len();
                start_line = number;
            }
            at += line.len();
        }
        push(out, text[start..].to_owned(), path, Some(start_line));
    }

    fn add_json(&mut self, bytes: &[u8], field: &str, path: &Arc<Path>, out: &mut Vec<Document>) {
        for (line, number) in bytes.split(|&byte| byte == b'\n').zip(1..) {
            if line.trim_ascii().is_empty() {
                continue;
            }
            self.left_out.records.of += 1;
            let record: Value = match parse(line) {
                Ok(record) => record,
                Err(reason) => {
                    self.add_bad_record(path, number, reason);
                    continue;
                }
            };
            let text = match find(&record, field) {
                None | Some(Value::Null) => {
                    self.left_out.without_field += 1;
                    list_fields(&record, "", &mut self.fields);
                    continue;
                }
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            self.has_field = true;
            push(out, text, path, Some(number));
        }
    }

    fn add_table(
        &mut self,
        table: &[u8],
        form: Form,
        field: &str,
        path: &Arc<Path>,
        out: &mut Vec<Document>,
    ) -> Result<(), Error> {
        let open_quote = |open: OpenQuote| Error::OpenQuote {
            path: path.to_path_buf(),
            row: open.row,
            quote: open.quote,
            at_end: open.at_end,
        };
        let mut rows = Rows::new(table, form);
        let mut row = Row::default();
        if !rows.next(&mut row).map_err(open_quote)? {
            return Ok(());
        }
        let wanted = row.len();
        let column = row.fields().position(|name| name == field.as_bytes());
        if column.is_none() {
            let names = row.fields().take(MAX_FIELDS);
            self.fields
                .extend(names.map(|name| quote::prefix(&String::from_utf8_lossy(name)).to_owned()));
        }
        while rows.next(&mut row).map_err(open_quote)? {
            let found = row.len();
            let is_blank = |field: &[u8]| field.trim_ascii().is_empty();
            if found == 1 && wanted > 1 && row.field(0).is_none_or(is_blank) {
                continue;
            }
            self.left_out.records.of += 1;
            let reason = match row.after_quote {
                Some(line) => Some(Reason::AfterQuote { line }),
                None if found != wanted => Some(Reason::Fields { found, wanted }),
                None => None,
            };
            if let Some(reason) = reason {
                if row.after_quote.is_some() {
                    // A wrong quote has taken other rows' lines with it.
                    let lost = (rows.line() - row.line).saturating_sub(1) as usize;
                    self.left_out.records.of += lost;
                    self.left_out.records.count += lost;
                }
                self.add_bad_record(path, row.line, reason);
                continue;
            }
            match column.and_then(|column| row.field(column)).map(str::from_utf8) {
                None => self.left_out.without_field += 1,
                Some(Ok(text)) => {
                    self.has_field = true;
                    push(out, text.to_owned(), path, Some(row.line));
                }
                Some(Err(error)) => {
                    let offset = error.valid_up_to();
                    self.add_bad_record(path, row.line, Reason::NotUtf8 { offset });
                }
            }
        }
        Ok(())
    }

    fn add_bad_record(&mut self, path: &Arc<Path>, line: u64, reason: Reason) {
        let source = Source {
            path: path.clone(),
            line: Some(line),
        };
        self.left_out.records.push(Fault { source, reason });
    }
}

/// Adds a document, unless it's blank.
fn push(out: &mut Vec<Document>, text: String, path: &Arc<Path>, line: Option<u64>) {
    if !text.trim().is_empty() {
        let source = Source {
            path: path.clone(),
            line,
        };
        out.push(Document { text, source });
    }
}

/// Parses a line of JSON.
fn parse(line: &[u8]) -> Result<Value, Reason> {
    let line = str::from_utf8(line).map_err(|error| Reason::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    serde_json::from_str(line).map_err(|error| {
        // The parser has seen one line, and calls it the first.
        let problem = error.to_string();
        Reason::NotJson(problem.replace(" at line 1 column ", " at column "))
    })
}

/// The value at a path with dots. A name with dots in it comes before those inside.
fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let child = |name: &str| match value {
        Value::Array(values) => values.get(name.parse::<usize>().ok()?),
        value => value.get(name),
    };
    child(path).or_else(|| {
        path.match_indices('.')
            .find_map(|(dot, _)| find(child(&path[..dot])?, &path[dot + 1..]))
    })
}

/// Adds the paths of what isn't an object itself, or as much of them as errors show.
fn list_fields(value: &Value, prefix: &str, fields: &mut BTreeSet<String>) {
    let Value::Object(object) = value else { return };
    for (name, value) in object {
        if fields.len() >= MAX_FIELDS {
            return;
        }
        let path = format!("{prefix}{}", quote::prefix(name));
        if value.is_object() {
            list_fields(value, &format!("{}.", quote::prefix(&path)), fields);
        } else {
            fields.insert(quote::prefix(&path).to_owned());
        }
    }
}
