//! What a file says of itself.

use std::fmt::Write;

use czip::v2::container::Reader;
use czip::{Error, Format, ModeCounts};
use wasm_bindgen::prelude::*;

use crate::errors::exception;

/// A member of a file.
struct Member {
    level: u8,
    model: Option<String>,
    text_len: u64,
    segments: u64,
    modes: ModeCounts,
}

/// The members of a file of the format czip v2, in JSON. Their text is not decoded.
///
/// # Errors
///
/// What is wrong with the file's structure.
#[wasm_bindgen]
pub fn inspect(file: &[u8]) -> Result<String, JsValue> {
    let members = members(file).map_err(|error| exception(&error))?;
    let mut json = String::from("[");
    for (number, member) in members.iter().enumerate() {
        let comma = if number == 0 { "" } else { "," };
        let model = member.model.as_ref();
        let model = model.map_or_else(|| String::from("null"), |model| format!("\"{model}\""));
        let Member {
            level,
            text_len,
            segments,
            ..
        } = member;
        let modes = member
            .modes
            .each()
            .map(|(mode, count)| format!("\"{mode}\":{count}"));
        let modes = modes.join(",");
        // A string takes anything.
        let _ = write!(
            json,
            r#"{comma}{{"level":{level},"model":{model},"textLength":{text_len},"segments":{segments},"modes":{{{modes}}}}}"#
        );
    }
    json.push(']');
    Ok(json)
}

fn members(file: &[u8]) -> Result<Vec<Member>, Error> {
    match Format::detect(file) {
        Some(Format::V2) => {}
        Some(_) => return Err(Error::V1NotBuilt),
        None => {
            let found = file[..file.len().min(Format::DETECTION_LEN)].to_vec();
            return Err(Error::UnknownFormat { found });
        }
    }
    let mut members: Vec<Member> = Vec::new();
    for segment in Reader::new(file) {
        let info = segment?.info;
        if info.number == 0 {
            members.push(Member {
                level: info.member.level.get(),
                model: info.member.model.map(|model| model.to_string()),
                text_len: 0,
                segments: 0,
                modes: ModeCounts::default(),
            });
        }
        if let Some(member) = members.last_mut() {
            member.text_len += u64::from(info.header.text_len());
            member.segments += 1;
            member.modes.add(info.header.mode());
        }
    }
    Ok(members)
}
