//! From files to documents.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::inputs::{STDIN, io_error};
use super::{CorpusOptions, Document, Error, Source};

/// The most fields that an error names.
const MAX_FIELDS: usize = 40;

/// Reads the documents of files, and keeps count of the fields of records.
pub(super) struct Reader<'o> {
    options: &'o CorpusOptions,
    /// Whether a file of records was read.
    has_records: bool,
    /// Whether a record had the field.
    has_field: bool,
    /// How many records didn't.
    skipped: usize,
    /// The fields of those.
    fields: BTreeSet<String>,
}

/// What a file with a field named is.
enum Records {
    Json,
    Csv { delimiter: u8 },
}

impl Records {
    fn of(path: &Path) -> Option<Records> {
        if path == Path::new(STDIN) {
            return Some(Records::Json);
        }
        match path.extension()?.to_ascii_lowercase().to_str()? {
            "ndjson" | "jsonl" => Some(Records::Json),
            "csv" => Some(Records::Csv { delimiter: b',' }),
            "tsv" => Some(Records::Csv { delimiter: b'\t' }),
            _ => None,
        }
    }
}

impl<'o> Reader<'o> {
    pub(super) fn new(options: &'o CorpusOptions) -> Self {
        Reader {
            options,
            has_records: false,
            has_field: false,
            skipped: 0,
            fields: BTreeSet::new(),
        }
    }

    /// Appends the documents of a file to `out`.
    pub(super) fn read(
        &mut self,
        path: PathBuf,
        stdin: &mut dyn Read,
        out: &mut Vec<Document>,
    ) -> Result<(), Error> {
        let mut bytes = Vec::new();
        let result = if path == Path::new(STDIN) {
            stdin.read_to_end(&mut bytes).map(|_| ())
        } else {
            fs::read(&path).map(|read| bytes = read)
        };
        result.map_err(|source| io_error(&path, source))?;
        let text = String::from_utf8(bytes).map_err(|error| Error::NotUtf8 {
            path: path.clone(),
            offset: error.utf8_error().valid_up_to(),
        })?;

        let path: Arc<Path> = path.into();
        match &self.options.field {
            None => self.add_text(text, &path, out),
            Some(field) => match Records::of(&path) {
                None => self.add_text(text, &path, out),
                Some(Records::Json) => self.add_json(&text, field, &path, out)?,
                Some(Records::Csv { delimiter }) => self.add_csv(&text, delimiter, field, &path, out)?,
            },
        }
        Ok(())
    }

    pub(super) fn has_records(&self) -> bool {
        self.has_records
    }

    /// How many records didn't have the field.
    pub(super) fn finish(self) -> Result<usize, Error> {
        if let Some(field) = &self.options.field {
            if !self.has_records {
                return Err(Error::NoRecords { field: field.clone() });
            }
            // A file without any records is empty, not without the field.
            if !self.has_field && self.skipped > 0 {
                return Err(Error::NoField {
                    field: field.clone(),
                    fields: self.fields.into_iter().collect(),
                });
            }
        }
        Ok(self.skipped)
    }

    fn add_text(&self, text: String, path: &Arc<Path>, out: &mut Vec<Document>) {
        let separator = match self.options.separator.as_deref().map(str::trim) {
            Some(separator) if !separator.is_empty() => separator,
            _ => return push(out, text, path, None),
        };
        let is_separator = |line: &str| line.trim() == separator;
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

    fn add_json(
        &mut self,
        text: &str,
        field: &str,
        path: &Arc<Path>,
        out: &mut Vec<Document>,
    ) -> Result<(), Error> {
        self.has_records = true;
        for (record, line) in text.lines().zip(1..) {
            if record.trim().is_empty() {
                continue;
            }
            let record: Value = serde_json::from_str(record).map_err(|source| Error::Json {
                path: path.to_path_buf(),
                line,
                source,
            })?;
            let text = match find(&record, field) {
                None | Some(Value::Null) => {
                    self.skipped += 1;
                    list_fields(&record, "", &mut self.fields);
                    continue;
                }
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
            };
            self.has_field = true;
            push(out, text, path, Some(line));
        }
        Ok(())
    }

    fn add_csv(
        &mut self,
        text: &str,
        delimiter: u8,
        field: &str,
        path: &Arc<Path>,
        out: &mut Vec<Document>,
    ) -> Result<(), Error> {
        self.has_records = true;
        let error = |source: csv::Error| Error::Csv {
            path: path.to_path_buf(),
            source: Box::new(source),
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter)
            .from_reader(text.as_bytes());
        let header = reader.headers().map_err(error)?.clone();
        let column = header.iter().position(|name| name == field);
        if column.is_none() {
            self.fields
                .extend(header.iter().take(MAX_FIELDS).map(str::to_owned));
        }
        let mut record = csv::StringRecord::new();
        while reader.read_record(&mut record).map_err(error)? {
            match column.and_then(|column| record.get(column)) {
                None => self.skipped += 1,
                Some(text) => {
                    self.has_field = true;
                    let line = record.position().map(csv::Position::line);
                    push(out, text.to_owned(), path, line);
                }
            }
        }
        Ok(())
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

/// Adds the paths of what isn't an object itself.
fn list_fields(value: &Value, prefix: &str, fields: &mut BTreeSet<String>) {
    let Value::Object(object) = value else { return };
    for (name, value) in object {
        if fields.len() >= MAX_FIELDS {
            return;
        }
        let path = format!("{prefix}{name}");
        if value.is_object() {
            list_fields(value, &format!("{path}."), fields);
        } else {
            fields.insert(path);
        }
    }
}
