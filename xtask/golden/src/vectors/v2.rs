//! Files of czip v2.
//!
//! Unlike the other vectors, these come from the code that they check: they pin its present output. That
//! its mixing is that of the specification is shown in `crates/mix`, against a reference written from the page.

use std::num::NonZeroUsize;

use czip::v2::container::Reader;
use czip::{Level, Mode, Model, Options};
use serde_json::{Value, json};

use xtask::Result;

/// A level of each row of the table in `docs/spec/mixing.md`.
const LEVELS: [u8; 5] = [1, 2, 3, 4, 9];

/// The first level with the net.
const FIRST_NET: u8 = 4;

/// A member to make.
#[derive(Clone, Copy)]
struct Member {
    text: &'static str,
    level: u8,
    mode: Mode,
    segment_len: usize,
    index: bool,
    /// The index of the model.
    model: usize,
}

impl Member {
    /// In one segment.
    const fn new(text: &'static str, level: u8, mode: Mode) -> Self {
        Self {
            text,
            level,
            mode,
            segment_len: 1 << 20,
            index: true,
            model: 0,
        }
    }

    /// By the model of version 2 or 3.
    const fn by_version(self, version: usize) -> Self {
        Self {
            model: version - 1,
            ..self
        }
    }

    /// In segments of 1 KiB.
    const fn cut(self, index: bool) -> Self {
        Self {
            segment_len: 1 << 10,
            index,
            ..self
        }
    }
}

/// The files to make: name and members.
fn plan() -> Vec<(String, Vec<Member>)> {
    let mut files = Vec::new();
    let mut add = |name: &str, members: &[Member]| files.push((format!("v2/{name}.czip"), members.to_vec()));
    for level in LEVELS {
        for mode in [Mode::Bytes, Mode::Tokens, Mode::Net] {
            if mode == Mode::Net && level < FIRST_NET {
                continue;
            }
            for text in ["prose", "json", "octets"] {
                add(
                    &format!("{text}.{level}.{mode}"),
                    &[Member::new(text, level, mode)],
                );
            }
        }
    }
    let stored = |text, level| Member::new(text, level, Mode::Stored);
    add("empty.1.stored", &[stored("empty", 1)]);
    add("empty.5.stored", &[stored("empty", 5)]);
    add("byte.5.stored", &[stored("byte", 5)]);
    add("octets.9.stored", &[stored("octets", 9)]);
    // Literals of special tokens are text.
    add("special.5.tokens", &[Member::new("special", 5, Mode::Tokens)]);
    add("special.5.net", &[Member::new("special", 5, Mode::Net)]);
    for (mode, level) in [
        (Mode::Stored, 5),
        (Mode::Bytes, 3),
        (Mode::Tokens, 5),
        (Mode::Net, 4),
    ] {
        let member = Member::new("prose", level, mode);
        add(&format!("prose.{level}.{mode}.segments"), &[member.cut(false)]);
        add(&format!("prose.{level}.{mode}.index"), &[member.cut(true)]);
    }
    let joined = [
        Member::new("prose", 5, Mode::Net).cut(true),
        stored("empty", 2),
        Member::new("json", 1, Mode::Bytes),
        Member::new("octets", 7, Mode::Net),
        stored("byte", 9),
        Member::new("prose", 2, Mode::Tokens).cut(false),
    ];
    add("joined", &joined);
    for level in 4..=9 {
        let member = Member::new("prose", level, Mode::Net).by_version(2);
        add(&format!("prose.{level}.net.model2"), &[member]);
    }
    for text in ["json", "octets", "special", "runs"] {
        let member = Member::new(text, 5, Mode::Net).by_version(2);
        add(&format!("{text}.5.net.model2"), &[member]);
    }
    let member = Member::new("prose", 5, Mode::Net).by_version(2);
    add("prose.5.net.model2.index", &[member.cut(true)]);
    let tokens = Member::new("prose", 5, Mode::Tokens).by_version(2);
    add("prose.5.tokens.model2", &[tokens]);
    for (text, level) in [
        ("prose", 4),
        ("prose", 5),
        ("prose", 9),
        ("octets", 5),
        ("special", 5),
    ] {
        let member = Member::new(text, level, Mode::Net).by_version(3);
        add(&format!("{text}.{level}.net.model3"), &[member]);
    }
    for (level, mode) in [(1, Mode::Bytes), (2, Mode::Tokens), (5, Mode::Net)] {
        add(
            &format!("repeats.{level}.{mode}"),
            &[Member::new("repeats", level, mode)],
        );
    }
    files
}

/// Files by their names.
type Files = Vec<(String, Vec<u8>)>;

/// The files, and what `v2.json` says of them. `models` are names and bytes, `text` gives a text by its name.
pub(super) fn files(
    models: &[(&'static str, Vec<u8>)],
    text: impl Fn(&str) -> Result<Vec<u8>>,
) -> Result<(Files, Value)> {
    let read = |(name, bytes): &(&'static str, Vec<u8>)| Ok((*name, Model::from_bytes(bytes)?));
    let models: Vec<(&str, Model)> = models.iter().map(read).collect::<Result<_>>()?;
    let mut files = Vec::new();
    let mut entries = Vec::new();
    for (name, members) in plan() {
        let mut file = Vec::new();
        let mut described = Vec::new();
        for member in members {
            let made = compress(&models[member.model].1, &member, &text(member.text)?)?;
            let segments = segments(&made, &member)?;
            let mut described_member = json!({
                "text": member.text,
                "level": member.level,
                "mode": member.mode.to_string(),
                "segment_len": member.segment_len,
                "index": member.index,
                "model": models[member.model].0,
                "segments": segments,
            });
            let copies = copies(&made)?;
            if !copies.is_empty() {
                described_member["copies"] = copies.into();
            }
            described.push(described_member);
            file.extend(made);
        }
        entries.push(json!({ "file": name, "members": described }));
        files.push((name, file));
    }
    let ids: serde_json::Map<String, Value> = models
        .iter()
        .map(|(name, model)| ((*name).to_owned(), model.id().to_string().into()))
        .collect();
    let index = json!({ "model_ids": ids, "files": entries });
    Ok((files, index))
}

fn compress(model: &Model, member: &Member, text: &[u8]) -> Result<Vec<u8>> {
    let options = Options::new()
        .threads(NonZeroUsize::MIN)
        .level(Level::new(member.level).ok_or("a level that there is not")?)
        .segment_len(member.segment_len)
        .index(member.index)
        .only(member.mode);
    Ok(czip::compress(model, text, &options)?)
}

/// The copied passages of all segments: how much of the rest comes before each, its length and its distance.
fn copies(member_file: &[u8]) -> Result<Vec<[u32; 3]>> {
    let mut passages = Vec::new();
    for segment in Reader::new(member_file) {
        if let (Some(copies), _) = segment?.copies()? {
            passages.extend(copies.passages().iter().map(|it| [it.rest, it.len, it.distance]));
        }
    }
    Ok(passages)
}

/// Mode, length of the payload and length of the text of each segment. A text that was unexpectedly stored
/// would check little.
fn segments(member_file: &[u8], member: &Member) -> Result<Value> {
    let mut segments = Vec::new();
    for segment in Reader::new(member_file) {
        let header = segment?.info.header;
        if header.mode() != member.mode {
            let Member {
                text, level, mode, ..
            } = member;
            return Err(format!("{text} at level {level}: {}, not {mode}", header.mode()).into());
        }
        segments.push(json!([
            header.mode().to_string(),
            header.payload_len(),
            header.text_len()
        ]));
    }
    Ok(Value::Array(segments))
}
