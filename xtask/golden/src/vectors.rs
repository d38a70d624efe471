//! The golden vectors of `crates/vectors/data`: a small model, and what it makes of some texts, stage by stage.
//!
//! Everything follows from a seed. The transformer runs as the `reference` of its version; arithmetic, coder, tokenizer
//! and headers are written once more in [`plain`] and [`errors`], so the vectors don't repeat a fault of the code that
//! they check. Only the files of [`v2`] come from that code.
//!
//! What a codec library compresses may come out differently in its next version. Such files are compared by what they
//! hold, and written again only where that differs.

mod errors;
mod model;
mod model_v2;
mod model_v3;
mod plain;
mod texts;
mod trace;
mod v2;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use czip_container::v1::{self as container, Builder, Codec, ContextLog2, File, Flags, Limits, Params};
use czip_model::v1::Weights;
use czip_vectors::{ModelFile, hash_words, patch_model, to_hex};
use serde_json::{Value, json};
use xtask::{Result, files};

use self::errors::Parts;
use self::model::{Step, chunks, steps};
use self::plain::{Random, Share};

const COMMAND: &str = "cargo xtask codegen vectors";

/// From the root of the repository.
const FOLDER: &str = "crates/vectors/data";

/// Files of the folder that are not generated.
const WRITTEN_BY_HAND: [&str; 2] = ["README.md", ".gitattributes"];

/// The path that the model is said to have.
const MODEL_PATH: &str = "models/vectors.czm";

/// Writes the vectors, or compares them with the committed ones.
pub(crate) fn codegen(check: bool) -> Result<()> {
    let mut folder = Folder {
        check,
        made: WRITTEN_BY_HAND.map(str::to_owned).into(),
    };
    let tokenizer_json = model::tokenizer_json();
    let tokenizer = model::tokenizer()?;
    let bytes = model::model(&tokenizer_json)?;
    let weights = Weights::from_bytes(&bytes)?;
    folder.put_unless("model.czm", &bytes, |present| same_model(present, &bytes))?;
    folder.put("tokenizer.json", tokenizer_json.as_bytes())?;

    let mut texts = Vec::new();
    for (name, text) in texts::texts() {
        folder.put(&format!("texts/{name}.txt"), text.as_bytes())?;
        let tokens = tokenizer.encode(&text)?;
        texts.push(Text { name, text, tokens });
    }
    let tokens: Vec<_> = texts.iter().map(|text| (text.name, json!(text.tokens))).collect();
    folder.put_json("tokens.json", &object(tokens))?;

    folder.put_json("fixed.json", &fixed())?;
    folder.put_json("coder.json", &coder())?;
    folder.put_json("model.json", &trace(&weights, &find(&texts, "prose")?.tokens)?)?;
    put_files(&mut folder, &weights, &texts)?;
    let variants = variants(&bytes, tokenizer_json.as_bytes(), &texts)?;
    folder.put_json("variants.json", &variants)?;
    put_errors(&mut folder, &weights, &bytes)?;
    let prose = &find(&texts, "prose")?.tokens;
    put_model(
        &mut folder,
        "model2",
        &model_v2::model(&tokenizer_json)?,
        model_v2::with_net(|net| trace::of_text(prose, net, model_v2::most_zeros))?,
        |chunk| model_v2::with_net(|net| trace::code_chunk(chunk, net)),
        &texts,
    )?;
    put_model(
        &mut folder,
        "model3",
        &model_v3::model(&tokenizer_json)?,
        model_v3::with_net(|net| trace::of_text(prose, net, |_| 15))?,
        |chunk| model_v3::with_net(|net| trace::code_chunk(chunk, net)),
        &texts,
    )?;
    put_v2(&mut folder, &texts)?;
    folder.finish()
}

/// A text and what the tokenizer makes of it.
struct Text {
    name: &'static str,
    text: String,
    tokens: Vec<u32>,
}

fn find<'a>(texts: &'a [Text], name: &str) -> Result<&'a Text> {
    let found = texts.iter().find(|text| text.name == name);
    Ok(found.ok_or_else(|| format!("no text `{name}`"))?)
}

fn object<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
    Value::Object(
        entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect(),
    )
}

/// Whether two model files hold the same. The tokenizer counts as it is after decompression.
fn same_model(present: &[u8], wanted: &[u8]) -> bool {
    let parts = |bytes: &[u8]| {
        let weights = czip_model::ModelFile::from_bytes(bytes).ok()?;
        let json = weights.extras().tokenizer_json().ok()?;
        let mut model = ModelFile::parse(bytes);
        // The hash of a file of version 2 or 3 is right, but covers the tokenizer as it is stored.
        model.metadata.remove("content_hash");
        model.metadata.remove("data_hash");
        let tokenizer = model.tensors.remove("tokenizer.data")?;
        Some((model, tokenizer.dtype, json))
    };
    let present = parts(present);
    present.is_some() && present == parts(wanted)
}

/// The activations, logits and frequencies of 40 tokens in chunks of 32.
fn trace(weights: &Weights<'_>, tokens: &[u32]) -> Result<Value> {
    const CHUNK_LEN: usize = 32;
    const OBSERVED: [usize; 5] = [0, 1, 2, 31, 33];
    let tokens = &tokens[..40];
    let all: Vec<Step> = tokens
        .chunks(CHUNK_LEN)
        .flat_map(|chunk| steps(weights, chunk))
        .collect();
    check_liveliness(&all)?;
    let summary = |step: &Step| {
        let [low, high, total] = step.share();
        json!({
            "position": step.position,
            "input": step.input,
            "coded": step.coded,
            "low": low,
            "high": high,
            "total": total,
            "logits_hash": hash_words(step.logits.iter().map(|&logit| logit as u32)),
            "cumulative_hash": hash_words(step.cumulative.iter().copied()),
        })
    };
    let observed = OBSERVED.map(|index| {
        let step = &all[index];
        let stages = step.stages.iter();
        let stages: Vec<_> = stages
            .map(|(name, values)| json!({ "stage": name, "values": values }))
            .collect();
        json!({
            "step": index,
            "stages": stages,
            "logits": step.logits,
            "cumulative": step.cumulative,
        })
    });
    Ok(json!({
        "chunk_len": CHUNK_LEN,
        "tokens": tokens,
        "steps": all.iter().map(summary).collect::<Vec<_>>(),
        "observed": observed,
    }))
}

/// Vectors that are mostly zero or mostly at a bound would check little.
fn check_liveliness(steps: &[Step]) -> Result<()> {
    let (mut fewest_values, mut most_bounds) = (usize::MAX, 0);
    for (index, (name, _)) in steps[0].stages.iter().enumerate() {
        let values = steps.iter().flat_map(|step| &step.stages[index].1);
        let values: Vec<i32> = values.copied().collect();
        let percent =
            |is: fn(&i32) -> bool| values.iter().filter(|value| is(value)).count() * 100 / values.len();
        let (zeros, bounds) = (percent(|&value| value == 0), percent(|&value| value.abs() == 127));
        let distinct = values.iter().collect::<BTreeSet<_>>().len();
        // Half of all gates are closed.
        let most_zeros = if name.ends_with("gated") { 60 } else { 10 };
        if zeros > most_zeros || bounds > 25 || distinct < 100 {
            let found = format!("{distinct} values, {zeros} % zeros, {bounds} % at a bound");
            return Err(format!("stage {name} of the model is not lively: {found}").into());
        }
        fewest_values = fewest_values.min(distinct);
        most_bounds = most_bounds.max(bounds);
    }
    println!(
        "vectors: each stage takes {fewest_values} values or more, and at most {most_bounds} % are at a bound"
    );
    Ok(())
}

/// Messages for the arithmetic coder and their bytes.
fn coder() -> Value {
    let mut random = Random::new(1);
    let mut draw = |count: usize, total: Option<u32>| -> Vec<Share> {
        let share = |_| {
            let total = total.unwrap_or_else(|| 1 << random.within(0, 30));
            let low = random.within(0, i64::from(total) - 1) as u32;
            // Narrow shares and wide ones.
            let most = (total - low).min(1 << random.within(0, 30));
            [low, low + random.within(1, most.into()) as u32, total]
        };
        (0..count).map(share).collect()
    };
    const TOTAL: u32 = 1 << 30;
    let middle = [(TOTAL >> 1) - 1, (TOTAL >> 1) + 1, TOTAL];
    let messages: Vec<(&str, Vec<Share>)> = vec![
        ("nothing", vec![]),
        ("a certain symbol", vec![[0, 1, 1]]),
        (
            "bits 01101001",
            [0, 1, 1, 0, 1, 0, 0, 1].map(|bit| [bit, bit + 1, 2]).to_vec(),
        ),
        ("thirds", [0, 1, 2, 2, 1, 0, 1, 1].map(|i| [i, i + 1, 3]).to_vec()),
        ("the rarest symbol, lowest", vec![[0, 1, TOTAL]; 3]),
        ("the rarest symbol, highest", vec![[TOTAL - 1, TOTAL, TOTAL]; 3]),
        ("the most frequent symbol", vec![[0, TOTAL - 1, TOTAL]; 40]),
        ("pending bits at the end", vec![middle]),
        (
            "many pending bits, then a 0",
            [vec![middle; 4], vec![[0, 1, 4]]].concat(),
        ),
        (
            "many pending bits, then a 1",
            [vec![middle; 4], vec![[3, 4, 4]]].concat(),
        ),
        ("a total that is no power of two", draw(24, Some(1_073_739_776))),
        ("the greatest total", draw(24, Some(TOTAL))),
        ("totals of all sizes", draw(48, None)),
    ];
    let message = |(name, symbols): (&str, Vec<Share>)| {
        let bytes = to_hex(&plain::code(symbols.iter().copied()));
        json!({ "name": name, "symbols": symbols, "bytes": bytes })
    };
    Value::Array(messages.into_iter().map(message).collect())
}

/// Arguments and results of the fixed-point functions. All numbers stay below 2^53, which every JSON reader can hold.
fn fixed() -> Value {
    let mut random = Random::new(2);
    let mut cases: Vec<(&str, Vec<[i128; 4]>)> = Vec::new();
    let wide = |x: i64| i128::from(x);

    let mut rows = Vec::new();
    for shift in [0i64, 1, 2, 7, 15, 30, 40] {
        let unit = 1i64 << shift;
        let half = unit / 2;
        let mut xs = vec![
            0,
            half - 1,
            half,
            half + 1,
            unit,
            unit + half,
            2 * unit + half,
            3 * unit + half,
        ];
        xs.extend((0..4).map(|_| random.within(0, unit * 1000)));
        for x in xs.into_iter().flat_map(|x| [x, -x]) {
            rows.push([wide(x), wide(shift), plain::rne(x.into(), unit.into()), 0]);
        }
    }
    cases.push(("rne_shr", rows));

    let mut rows = Vec::new();
    for n in [1, 2, 3, 4, 7, 256, 65_535, 65_536, 1_000_003, 1 << 40] {
        let mut xs = vec![
            0,
            n / 2,
            n / 2 + 1,
            n - 1,
            n,
            n + n / 2,
            2 * n + n / 2,
            3 * n + n / 2,
        ];
        xs.extend((0..4).map(|_| random.within(0, n * 1000)));
        for x in xs.into_iter().flat_map(|x| [x, -x]) {
            rows.push([wide(x), wide(n), plain::rne(x.into(), n.into()), 0]);
        }
    }
    cases.push(("rne_div", rows));

    let extremes = [i32::MIN, i32::MIN + 1, -1, 0, 1, i32::MAX].map(i64::from);
    let mut rows = Vec::new();
    for shift in [-128i64, -1, 0, 1, 18, 22, 24, 55, 61, 62] {
        let mut pairs: Vec<[i64; 2]> = extremes
            .iter()
            .flat_map(|&acc| [i32::MIN, i32::MAX, 1].map(|mult| [acc, mult.into()]))
            .collect();
        // Products near the middle of the range of an activation.
        for _ in 0..6 {
            let mult = random.within(1, 1 << 20);
            let acc = (random.within(-200, 200) << shift.clamp(0, 40)) / mult;
            pairs.push([acc.clamp(i32::MIN.into(), i32::MAX.into()), mult]);
        }
        rows.extend(pairs.into_iter().map(|[acc, mult]| {
            let result = plain::requantize(acc, mult, shift);
            [wide(acc), wide(mult), wide(shift), result]
        }));
    }
    let requantize = rows;

    let mut rows = Vec::new();
    for root in [0i64, 1, 2, 255, 256, 46_340, 65_535, 65_536, 94_906_264] {
        let square = root * root;
        for x in [square - 1, square, square + 1, square + 2 * root] {
            if x >= 0 {
                rows.push([wide(x), plain::isqrt(x as u64).into(), 0, 0]);
            }
        }
    }
    let isqrt = rows;

    let mut rows = Vec::new();
    for len in [256i64, 384, 512] {
        let most = 127 * 127 * len;
        let mut sums = vec![0, 1, len - 1, len, len + 1, most - 1, most];
        sums.extend((0..8).map(|i| random.within(0, most >> i)));
        for sum in sums {
            let result = plain::inverse_rms(sum as u32, len as u32);
            rows.push([wide(sum), wide(len), result, 0]);
        }
    }
    cases.push(("inverse_rms", rows));

    let mut rows = Vec::new();
    for coefficient in [378_194i64, 37_819, 1, i64::from(u32::MAX)] {
        // Differences at which the weight leaves its upper bound, halves, reaches its lower bound, and is cut off.
        let octave = (1i64 << 32) / coefficient;
        let mut diffs = vec![1, 0, -1, -2, -22, -23];
        for octaves in [1, 2, 15, 16, 17, 18, 30, 31, 32] {
            diffs.extend([-1, 0, 1].map(|near| (near - octave * octaves).max(-(1 << 32))));
        }
        diffs.extend((0..8).map(|_| -random.within(0, (octave * 18).min(1 << 32))));
        diffs.push(-(1 << 32));
        diffs.sort_unstable();
        diffs.dedup();
        for diff in diffs {
            let result = plain::exp_weight(diff, coefficient as u32);
            rows.push([wide(diff), wide(coefficient), result.into(), 0]);
        }
    }
    cases.push(("exp_weight", rows));

    let row = |row: &[i128]| -> Value {
        let numbers = row.iter().map(|&number| json!(number as i64));
        Value::Array(numbers.collect())
    };
    let table = |rows: &[[i128; 4]], len| Value::Array(rows.iter().map(|r| row(&r[..len])).collect());
    let mut tables: Vec<(&str, Value)> = cases.iter().map(|(name, rows)| (*name, table(rows, 3))).collect();
    tables.push(("requantize", table(&requantize, 4)));
    tables.push(("isqrt", table(&isqrt, 2)));
    object(tables)
}

/// A compressed file to make: text, codec, context field, flags.
const FILES: [(&str, Codec, u8, u8); 13] = [
    ("empty", Codec::Zstd, 7, 0),
    ("empty", Codec::Brotli, 6, 0),
    ("byte", Codec::Brotli, 7, 0),
    ("short", Codec::Zstd, 7, 0),
    ("short", Codec::Brotli, 3, 1),
    ("prose", Codec::Brotli, 7, 0),
    ("prose", Codec::Zstd, 6, 0),
    ("unicode", Codec::Brotli, 6, 0),
    ("crlf", Codec::Zstd, 7, 0),
    ("crlf", Codec::Brotli, 1, 0),
    ("special", Codec::Zstd, 5, 2),
    // 0 stands for 6.
    ("special", Codec::Brotli, 0, 0),
    ("runs", Codec::Brotli, 6, 0),
];

fn put_files(folder: &mut Folder, weights: &Weights<'_>, texts: &[Text]) -> Result<()> {
    let mut entries = Vec::new();
    for (name, codec, field, flags) in FILES {
        let Text { text, tokens, .. } = find(texts, name)?;
        let context = ContextLog2::from_field(field)?;
        let chunks = chunks(weights, tokens, context.chunk_tokens() as usize);
        let model_id = container::model_id_hash(MODEL_PATH);
        let mut parts = Parts::new(
            text.len(),
            tokens.len(),
            field,
            &chunks,
            codec.to_byte(),
            model_id,
        );
        parts.flags = flags;

        let params = Params {
            flags: Flags::from_bits(flags)?,
            codec,
            model_id_hash: model_id,
            tokenizer_id: 0,
            context,
        };
        let mut builder = Builder::new(params);
        chunks.iter().try_for_each(|chunk| builder.push(chunk))?;
        let file = builder.finish(text.len() as u64, tokens.len() as u64)?;
        let mut bytes = Vec::new();
        container::write(&file, &mut bytes)?;
        let file_name = format!("files/{name}.k{field}.{codec}.czip");
        let read = |bytes: &[u8]| -> Option<File> { container::read(bytes, &Limits::default()).ok() };
        folder.put_unless(&file_name, &bytes, |present| {
            read(present).as_ref() == Some(&file)
        })?;
        entries.push(json!({
            "file": file_name,
            "text": name,
            "codec": codec.to_string(),
            "flags": flags,
            "context_field": field,
            "tokens": tokens.len(),
            "header": to_hex(&parts.outer_header()),
            "inner_header": to_hex(&parts.inner_header()),
            "chunks": chunks.iter().map(|chunk| to_hex(chunk)).collect::<Vec<_>>(),
        }));
    }
    let index = json!({ "model_path": MODEL_PATH, "files": entries });
    folder.put_json("files.json", &index)
}

/// A model of version 2 or 3, what it computes (`index`), and chunks of CZIPv1 that it codes.
fn put_model(
    folder: &mut Folder,
    name: &str,
    bytes: &[u8],
    mut index: Value,
    code_chunk: impl Fn(&[u32]) -> Vec<u8>,
    texts: &[Text],
) -> Result<()> {
    const CHUNK_LEN: usize = 64;
    folder.put_unless(&format!("{name}.czm"), bytes, |present| {
        same_model(present, bytes)
    })?;
    let text = find(texts, "unicode")?;
    index["chunks"] = json!({
        "text": text.name,
        "chunk_len": CHUNK_LEN,
        "bytes": text.tokens.chunks(CHUNK_LEN).map(|chunk| to_hex(&code_chunk(chunk))).collect::<Vec<_>>(),
    });
    folder.put_json(&format!("{name}.json"), &index)
}

fn put_v2(folder: &mut Folder, texts: &[Text]) -> Result<()> {
    let mut all: Vec<(&str, Vec<u8>)> = texts
        .iter()
        .map(|text| (text.name, text.text.as_bytes().to_vec()))
        .collect();
    for (name, text) in texts::more_texts() {
        folder.put(&format!("texts/{name}.txt"), &text)?;
        all.push((name, text));
    }
    let text = |name: &str| {
        let found = all.iter().find(|(known, _)| *known == name);
        let (_, text) = found.ok_or_else(|| format!("no text `{name}`"))?;
        Ok(text.clone())
    };
    // The committed model, not the one just made: its file may differ in how the tokenizer is compressed, and the
    // model's identity is that of all bytes.
    let models = ["model.czm", "model2.czm", "model3.czm"].map(|name| (name, czip_vectors::read(name)));
    let (files, index) = v2::files(&models, text)?;
    for (name, file) in files {
        folder.put(&name, &file)?;
    }
    folder.put_json("v2.json", &index)
}

/// The model with a patch, and what it then makes of a text.
fn variants(bytes: &[u8], tokenizer_json: &[u8], texts: &[Text]) -> Result<Value> {
    let word = |word: u32| json!({ "dtype": "U32", "shape": [], "data": to_hex(&word.to_le_bytes()) });
    let softmax = |coefficient, total| {
        json!({ "tensors": {
            "softmax.coef_q24": word(coefficient),
            "softmax.target_total": word(total),
        } })
    };
    let sink = json!({ "dtype": "I8", "shape": [64], "data": "7f80".repeat(32) });
    let greatest = [1i32 << 27, -(1 << 27), 0, 1].map(i32::to_le_bytes).concat();
    let least_total = model::VOCAB as u32 + 1;
    let patches = [
        (
            "no context length",
            json!({ "metadata": { "context_length": null } }),
        ),
        (
            "a logarithm for the context length",
            json!({ "metadata": { "context_length": null, "context_length_log2": "7" } }),
        ),
        (
            "the context length outranks its logarithm",
            json!({ "metadata": { "context_length_log2": "3" } }),
        ),
        (
            "a shorter context",
            json!({
                "metadata": { "context_length": "16" },
                "tensors": { "lut.rope_cos": { "shape": [16, 32] }, "lut.rope_sin": { "shape": [16, 32] } },
            }),
        ),
        (
            "tokenizer by zstd",
            json!({ "metadata": { "tokenizer_codec": "zstd" }, "tokenizer": { "codec": "zstd" } }),
        ),
        (
            "zstd is the default",
            json!({ "metadata": { "tokenizer_codec": null }, "tokenizer": { "codec": "zstd" } }),
        ),
        (
            "fewer tokens than the model has",
            json!({ "tokenizer": {
                "codec": "brotli",
                "edit": { "explicit_n_vocab": null, "special_tokens": { model::SPECIAL[0]: model::BOS } },
            } }),
        ),
        (
            "nothing reads these",
            json!({ "tensors": {
                "head.mult": null,
                "head.shift": null,
                "layers.0.attn.score_shift": { "data": "03" },
                "other": { "dtype": "I16", "shape": [3], "data": "010203040506" },
            } }),
        ),
        ("sharp frequencies", softmax(1_512_760, 1 << 30)),
        ("flat frequencies", softmax(0, (1 << 30) - 1)),
        ("the least total", softmax(37_819, least_total)),
        ("one layer", json!({ "metadata": { "n_layers": "1" } })),
        (
            "another sink key",
            json!({ "tensors": { "layers.0.attn.sink_key": sink, "layers.1.attn.sink_key": null } }),
        ),
        (
            "a shift of 62",
            json!({ "tensors": {
                "layers.0.attn.qkv.shift": { "data": "3e" },
                "layers.0.attn.qkv.mult": { "data": "ffffff7f" },
            } }),
        ),
        (
            "the greatest score factors",
            json!({ "tensors": { "layers.0.attn.score_mult": {
                "data": to_hex(&greatest),
            } } }),
        ),
    ];
    let text = find(texts, "short")?;
    let mut entries = Vec::new();
    for (name, patch) in patches {
        let bytes = patch_model(bytes, tokenizer_json, &patch);
        let weights = Weights::from_bytes(&bytes)?;
        let context = weights.config.context_length;
        let chunks = chunks(&weights, &text.tokens, context);
        entries.push(json!({
            "name": name,
            "patch": patch,
            "context_length": context,
            "text": text.name,
            "chunks": chunks.iter().map(|chunk| to_hex(chunk)).collect::<Vec<_>>(),
        }));
    }
    Ok(Value::Array(entries))
}

fn put_errors(folder: &mut Folder, weights: &Weights<'_>, bytes: &[u8]) -> Result<()> {
    let mut entries = Vec::new();
    for bad in errors::files(weights) {
        let name = format!("errors/{}.czip", bad.name);
        folder.put(&name, &bad.bytes)?;
        entries.push(json!({ "file": name, "needs_model": bad.needs_model, "error": bad.error }));
    }
    let mut model_entries = Vec::new();
    for (name, bytes, key, error) in errors::model_files() {
        let name = format!("errors/{name}.czm");
        folder.put(&name, &bytes)?;
        model_entries.push(json!({ "file": name, key: error }));
    }
    let index = json!({
        "files": entries,
        "model_files": model_entries,
        "models": errors::models(&ModelFile::parse(bytes)),
    });
    folder.put_json("errors.json", &index)
}

/// The folder of the vectors and what has been put there.
struct Folder {
    check: bool,
    made: BTreeSet<String>,
}

impl Folder {
    fn put(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        self.made.insert(name.to_owned());
        files::ensure_file_contents(&format!("{FOLDER}/{name}"), contents, self.check, COMMAND)
    }

    /// Leaves the file as it is if `same` finds in it what it should hold.
    fn put_unless(&mut self, name: &str, contents: &[u8], same: impl Fn(&[u8]) -> bool) -> Result<()> {
        match fs::read(files::root().join(FOLDER).join(name)) {
            Ok(present) if same(&present) => {
                self.made.insert(name.to_owned());
                Ok(())
            }
            _ => self.put(name, contents),
        }
    }

    fn put_json(&mut self, name: &str, value: &Value) -> Result<()> {
        let mut text = String::new();
        render(value, 0, &mut text);
        text.push('\n');
        self.put(name, text.as_bytes())
    }

    /// Fails if there are files that nothing makes any more.
    fn finish(self) -> Result<()> {
        let mut names = Vec::new();
        list(&files::root().join(FOLDER), "", &mut names)?;
        let stale: Vec<String> = names
            .into_iter()
            .filter(|name| !self.made.contains(name))
            .map(|name| format!("{FOLDER}/{name} is not made any more: delete it"))
            .collect();
        if stale.is_empty() {
            return Ok(());
        }
        Err(stale.join("\n").into())
    }
}

/// The files below a folder, their names starting with `prefix`.
fn list(folder: &Path, prefix: &str, names: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{name}/"), names)?;
        } else {
            names.push(name);
        }
    }
    Ok(())
}

/// Appends a value as JSON: one line for what has no further structure or is short, keys in alphabetical order.
fn render(value: &Value, indent: usize, out: &mut String) {
    let line = inline(value);
    let has_structure = |value: &Value| value.is_array() || value.is_object();
    let (open, close, entries) = match value {
        Value::Array(values) if values.iter().any(has_structure) => {
            let entries = values.iter().map(|value| (String::new(), value)).collect();
            ('[', ']', entries)
        }
        Value::Object(map) => ('{', '}', sorted(map)),
        _ => return out.push_str(&line),
    };
    if indent + line.len() <= 110 {
        return out.push_str(&line);
    }
    out.push(open);
    for (index, (key, value)) in entries.iter().enumerate() {
        out.push_str(if index == 0 { "\n" } else { ",\n" });
        out.extend(std::iter::repeat_n(' ', indent + 2));
        out.push_str(key);
        render(value, indent + 2, out);
    }
    out.push('\n');
    out.extend(std::iter::repeat_n(' ', indent));
    out.push(close);
}

/// The keys of an object, as they stand before their values, and the values.
fn sorted(map: &serde_json::Map<String, Value>) -> Vec<(String, &Value)> {
    let mut entries: Vec<_> = map.iter().collect();
    entries.sort_by_key(|(key, _)| key.as_str());
    entries
        .into_iter()
        .map(|(key, value)| (format!("{}: ", json!(key)), value))
        .collect()
}

fn inline(value: &Value) -> String {
    match value {
        Value::Array(values) => {
            let values: Vec<String> = values.iter().map(inline).collect();
            format!("[{}]", values.join(", "))
        }
        Value::Object(map) => {
            let entries = sorted(map).into_iter();
            let entries: Vec<String> = entries
                .map(|(key, value)| format!("{key}{}", inline(value)))
                .collect();
            format!("{{{}}}", entries.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_breaks_where_it_is_long_and_has_structure() {
        let mut text = String::new();
        let long = "x".repeat(60);
        render(
            &json!({ "b": [[1, 2], [&long]], "a": [&long, &long], "c": {} }),
            0,
            &mut text,
        );
        let expected = format!(
            "{{\n  \"a\": [\"{long}\", \"{long}\"],\n  \"b\": [[1, 2], [\"{long}\"]],\n  \"c\": {{}}\n}}"
        );
        assert_eq!(text, expected);
    }

    #[test]
    fn a_model_is_the_same_when_only_compression_differs() {
        let json = model::tokenizer_json();
        let model = model::model(&json).unwrap();
        let stored = json!({ "tokenizer": { "codec": "brotli" } });
        let edited = json!({ "tokenizer": { "codec": "brotli", "edit": { "name": "other" } } });
        let minified = serde_json::from_str::<Value>(&json).unwrap().to_string();
        let stored = patch_model(&model, json.as_bytes(), &stored);
        let edited = patch_model(&model, json.as_bytes(), &edited);
        let of_minified = model::model(&minified).unwrap();
        assert!(same_model(&of_minified, &stored));
        assert!(!same_model(&of_minified, &edited));
        assert!(!same_model(&model, &stored), "white space counts");
        assert!(!same_model(b"", &model));
    }

    #[test]
    fn plain_rounding_is_half_to_even() {
        let halves: Vec<i128> = (-5..=5).map(|x| plain::rne(x, 2)).collect();
        assert_eq!(halves, [-2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2]);
    }

    #[test]
    fn plain_coder_writes_known_bytes() {
        assert_eq!(plain::code([]), [0x80]);
        let bits = [0, 1, 1, 0, 1, 0, 0, 1].map(|bit| [bit, bit + 1, 2]);
        assert_eq!(plain::code(bits), [0x69, 0x80]);
    }

    #[test]
    fn splitmix64_of_seed_0() {
        // The first output of the reference implementation.
        assert_eq!(Random::new(0).next(), 0xe220_a839_7b1d_cdaf);
    }
}
