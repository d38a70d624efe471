//! The net, packed for one instruction set, and its batched forward pass: rows of tokens in, logits out, int32
//! `[rows, vocab]`. Between the matrices stand int32 `[rows, d]`, and int8 where they enter one.
//!
//! Several threads can make a pass together. Many rows are shared out, and each thread takes its rows through all layers;
//! they meet once a layer, when the keys and values of all rows are stored. Of few rows each thread computes a part of
//! every vector, so that the weights, which are what takes the time then, are shared out.

use std::ops::Range;

use czip_fixed::tables::{TURN, sine};
use czip_fixed::{Factor, Level, round_shr_i64};
use czip_kernels::{HEAD_DIM, Kernels, PackedMatrix, Workspace};

use super::cache::{Cache, HeadCache, Span, head_parts, spans};
use super::team::{Member, Team};
use super::{Config, LIMIT, Layer, MAX_BATCH, Matrix, MatrixKind, Weights, bits};
use crate::Row;
use crate::slot::CacheSlot;

/// Rows for each thread from which on rows are shared out, and not vectors.
const ROWS_TO_SHARE: usize = 6;

/// Rows of a matrix that lie together.
const ROW_GROUP: usize = 16;

/// Weights of values that kernels sum at a time.
const WEIGHTS: usize = 1024;

/// A model ready to run. It is immutable, and any number of threads can share one.
#[derive(Debug)]
pub struct Transformer {
    kernels: Kernels,
    config: Config,
    frequencies: Vec<u32>,
    embedding: Matrix,
    layers: Vec<PackedLayer>,
    head: Linear,
}

#[derive(Debug)]
struct PackedLayer {
    qkv: Linear,
    qkv_bias: Vec<i32>,
    query_gains: Vec<i16>,
    key_gains: Vec<i16>,
    out: Linear,
    gate_up: Linear,
    down: Linear,
}

#[derive(Debug)]
struct Linear {
    matrix: PackedMatrix,
    mantissas: Vec<u16>,
    exponents: Vec<u8>,
    wide: bool,
}

impl Linear {
    fn new(kernels: Kernels, matrix: Matrix, wide: bool) -> Self {
        Self {
            matrix: kernels.pack(&matrix.weights, matrix.rows(), matrix.cols()),
            mantissas: matrix.mantissas,
            exponents: matrix.exponents,
            wide,
        }
    }
}

impl PackedLayer {
    fn new(kernels: Kernels, config: &Config, layer: Layer) -> Self {
        let linear = |matrix, kind| Linear::new(kernels, matrix, config.is_wide(kind));
        Self {
            qkv: linear(layer.qkv, MatrixKind::Qkv),
            qkv_bias: layer.qkv_bias,
            query_gains: layer.query_gains,
            key_gains: layer.key_gains,
            out: linear(layer.out, MatrixKind::Out),
            gate_up: linear(layer.gate_up, MatrixKind::GateUp),
            down: linear(layer.down, MatrixKind::Down),
        }
    }
}

/// Working space for batches of up to a given number of rows, and the logits of the last one.
#[derive(Debug)]
pub struct Scratch {
    capacity: usize,
    rows: usize,
    vocab_size: usize,
    workers: Vec<Worker>,
    logits: Vec<i32>,
}

impl Scratch {
    /// The largest batch.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    /// The logits of a row of the last batch, in 1/256 octaves: int32 `[vocab]`.
    ///
    /// # Panics
    ///
    /// If the last batch had no such row.
    #[must_use]
    pub fn logits(&self, row: usize) -> &[i32] {
        assert!(row < self.rows, "row {row} of {}", self.rows);
        &self.logits[row * self.vocab_size..][..self.vocab_size]
    }
}

/// The working space of a thread. Vectors grow to what is needed.
#[derive(Debug, Default)]
struct Worker {
    /// `[rows, d]`.
    residual: Vec<i32>,
    /// Rounded inputs of a matrix: `[rows, stride]`, of 16 bits `[2 rows, stride]`, first all high parts.
    rounded: Vec<i8>,
    /// The units of `rounded`: `[rows]`.
    units: Vec<Factor>,
    /// A vector on its way there.
    levelled: Vec<i32>,
    /// Sums of products, then the outputs of a matrix: `[rows, outputs]`.
    sums: Vec<i32>,
    /// This thread's part of them.
    part: Vec<i32>,
    /// Outputs of attention, `[rows, H h]`, or hidden units, `[rows, F]`.
    inner: Vec<i32>,
    angles: Angles,
    attention: AttentionSpace,
    workspace: Workspace,
}

/// Cosines and sines of the angles that each row's queries are rotated by: at its own position, where its key is, too, and
/// at the position that sinks see it at. Q1.15, `[rows, 2, 2, R / 2]`.
#[derive(Debug, Default)]
struct Angles(Vec<i16>);

impl Angles {
    /// The cosines and the sines of a row, for the sinks or not.
    fn of(&self, row: usize, of_sinks: bool, pairs: usize) -> (&[i16], &[i16]) {
        self.0[(2 * row + usize::from(of_sinks)) * 2 * pairs..][..2 * pairs].split_at(pairs)
    }
}

/// Space for the attention of one row.
#[derive(Debug, Default)]
struct AttentionSpace {
    spans: Vec<Span>,
    /// Queries of the heads of a group, `[group, parts * 64]`, and the same for the sinks.
    queries: [Vec<i8>; 2],
    /// Their units.
    units: [Vec<Factor>; 2],
    /// `[parts * 64]`.
    key: Vec<i8>,
    value: Vec<i8>,
    /// A query or key before its rotation, and before its gains.
    head: Vec<i32>,
    gained: Vec<i32>,
    /// Queries of one part of their heads, where there are several.
    part: Vec<i8>,
    products: Vec<i32>,
    other: Vec<i32>,
    /// Scores of each head of a group: `[group, places of all spans in whole groups]`.
    scores: Vec<i32>,
    weights: Vec<u32>,
    low: Vec<u8>,
    high: Vec<u8>,
    sums: Vec<i64>,
}

/// Makes a vector this long. What is in it does not matter.
fn resize<T: Copy + Default>(vector: &mut Vec<T>, len: usize) -> &mut [T] {
    if vector.len() < len {
        vector.resize(len, T::default());
    }
    &mut vector[..len]
}

/// What all threads of a pass know.
struct Pass<'a> {
    net: &'a Transformer,
    caches: &'a [&'a Cache],
}

impl Transformer {
    /// Packs the weights for the instruction set of `kernels`. Each matrix is freed when it has been packed.
    #[must_use]
    pub fn new(kernels: Kernels, weights: Weights) -> Self {
        let Weights {
            config,
            frequencies,
            embedding,
            layers,
            head,
        } = weights;
        let head = Linear::new(kernels, head, config.is_wide(MatrixKind::Head));
        Self {
            kernels,
            frequencies,
            embedding,
            layers: layers
                .into_iter()
                .map(|layer| PackedLayer::new(kernels, &config, layer))
                .collect(),
            head,
            config,
        }
    }

    /// The sizes of the model.
    #[must_use]
    pub const fn config(&self) -> &Config {
        &self.config
    }

    /// The kernels that run it.
    #[must_use]
    pub const fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// An empty sequence.
    #[must_use]
    pub fn cache(&self) -> Cache {
        Cache::new(self.kernels, &self.config)
    }

    /// The most bytes that a cache takes, on any machine.
    #[must_use]
    pub const fn cache_len(&self) -> usize {
        Cache::len(&self.config)
    }

    /// Working space for batches of up to `rows` rows, which up to `threads` threads compute together.
    ///
    /// # Panics
    ///
    /// If there are more than [`MAX_BATCH`] rows, or no threads.
    #[must_use]
    pub fn scratch(&self, rows: usize, threads: usize) -> Scratch {
        assert!(
            rows <= MAX_BATCH && threads > 0,
            "batches of {rows} rows for {threads} threads"
        );
        Scratch {
            capacity: rows,
            rows: 0,
            vocab_size: self.config.vocab_size,
            workers: (0..threads).map(|_| Worker::default()).collect(),
            logits: vec![0; rows * self.config.vocab_size],
        }
    }

    /// Takes a batch of tokens; afterwards `scratch` holds the logits of the token after each.
    ///
    /// The rows may belong to different sequences, or be consecutive positions of one, in order, or both. The result does
    /// not depend on how tokens are grouped into batches, nor on the number of threads.
    ///
    /// # Panics
    ///
    /// If there are more rows than `scratch` has room for, or a row's sequence or token is out of range.
    pub fn forward<C: CacheSlot<Cache>>(&self, rows: &[Row], caches: &mut [C], scratch: &mut Scratch) {
        assert!(
            rows.len() <= scratch.capacity,
            "{} rows in a scratch for {}",
            rows.len(),
            scratch.capacity
        );
        scratch.rows = rows.len();
        let caches: Vec<&Cache> = caches.iter().map(CacheSlot::cache).collect();
        let pass = Pass {
            net: self,
            caches: &caches,
        };
        let threads = scratch.workers.len();
        if threads > 1 && rows.len() >= threads * ROWS_TO_SHARE {
            pass.share_rows(rows, scratch);
        } else {
            pass.share_vectors(rows, scratch);
        }
    }

    /// The frequencies of all tokens from their logits, uint32 `[vocab]`, each at least 1. Returns their sum, below 2^30.
    ///
    /// # Panics
    ///
    /// If a length is not the vocabulary's.
    pub fn frequencies(&self, logits: &[i32], out: &mut [u32]) -> u32 {
        /// Bits of the first frequencies, by whose sum the final bits are found.
        const BITS: u32 = 22;
        self.kernels.unscaled_frequencies(logits, BITS, out);
        let sum: u64 = out.iter().map(|&frequency| u64::from(frequency)).sum();
        let bits = 51 - (u64::BITS - sum.leading_zeros());
        self.kernels.unscaled_frequencies(logits, bits, out);
        self.kernels.sum(out)
    }

    /// Adds the cosines and then the sines of a position.
    fn add_angles(&self, position: usize, angles: &mut Angles) {
        const SHIFT: u32 = u32::BITS - TURN.trailing_zeros();
        for quarter in [TURN / 4, 0] {
            angles.0.extend(self.frequencies.iter().map(|&frequency| {
                let phase = (position as u32).wrapping_mul(frequency);
                let angle = phase.wrapping_add(1 << (SHIFT - 1)) >> SHIFT;
                sine(angle as usize + quarter)
            }));
        }
    }
}

impl Pass<'_> {
    /// Each thread takes some of the rows through all layers.
    fn share_rows(&self, rows: &[Row], scratch: &mut Scratch) {
        let threads = scratch.workers.len();
        let (meeting, alone) = (Team::new(threads), Team::new(1));
        let mut logits = &mut scratch.logits[..rows.len() * scratch.vocab_size];
        std::thread::scope(|scope| {
            let mut last = None;
            for (index, worker) in scratch.workers.iter_mut().enumerate() {
                let mine = rows.len() * index / threads..rows.len() * (index + 1) / threads;
                let (of_these, rest) = logits.split_at_mut(mine.len() * scratch.vocab_size);
                logits = rest;
                let (meeting, alone) = (&meeting, &alone);
                let run = move || {
                    let mut member = Member::new(alone, 0);
                    let count = mine.len();
                    self.layers(&rows[mine], &mut member, &Member::new(meeting, index), worker);
                    self.head(count, worker, of_these);
                };
                // This thread would only wait otherwise.
                if index + 1 == threads {
                    last = Some(run);
                } else {
                    scope.spawn(run);
                }
            }
            if let Some(run) = last {
                run();
            }
        });
    }

    /// Each thread computes a part of every vector of all rows.
    fn share_vectors(&self, rows: &[Row], scratch: &mut Scratch) {
        let team = Team::new(scratch.workers.len());
        let logits = &mut scratch.logits[..rows.len() * scratch.vocab_size];
        if let [alone] = scratch.workers.as_mut_slice() {
            let mut member = Member::new(&team, 0);
            self.layers(rows, &mut member, &Member::new(&team, 0), alone);
            return self.head(rows.len(), alone, logits);
        }
        std::thread::scope(|scope| {
            let (this, others) = scratch.workers.split_first_mut().expect("a thread");
            for (index, worker) in others.iter_mut().enumerate() {
                let team = &team;
                scope.spawn(move || {
                    let mut member = Member::new(team, index + 1);
                    self.layers(rows, &mut member, &Member::new(team, index + 1), worker);
                    self.shared_head(rows.len(), &mut member, worker);
                });
            }
            let mut member = Member::new(&team, 0);
            self.layers(rows, &mut member, &Member::new(&team, 0), this);
            self.shared_head(rows.len(), &mut member, this);
            logits.copy_from_slice(&this.sums[..logits.len()]);
        });
    }

    /// Takes rows through all layers, with the threads that share their vectors and those that meet when keys and values
    /// have been stored.
    fn layers(&self, rows: &[Row], member: &mut Member<'_>, meeting: &Member<'_>, w: &mut Worker) {
        let Config { d_ff, epsilon, .. } = self.net.config;
        self.embed(rows, w);
        for (index, layer) in self.net.layers.iter().enumerate() {
            self.round_residual(rows.len(), layer.qkv.wide, epsilon, w);
            self.linear(&layer.qkv, member, w);
            self.add_bias(layer, w);
            self.store(index, layer, rows, member, w);
            meeting.wait();
            self.attend(index, layer, rows, member, w);
            self.round_inner(self.net.config.attended(), layer.out.wide, bits::ATTENDED, w);
            self.linear_to_residual(&layer.out, member, w);

            self.round_residual(rows.len(), layer.gate_up.wide, epsilon, w);
            self.linear(&layer.gate_up, member, w);
            let inner = resize(&mut w.inner, rows.len() * d_ff);
            for (sums, inner) in w.sums.chunks_exact(2 * d_ff).zip(inner.chunks_exact_mut(d_ff)) {
                let (gates, values) = sums.split_at(d_ff);
                self.net.kernels.gate(gates, values, inner);
            }
            self.round_inner(d_ff, layer.down.wide, bits::HIDDEN, w);
            self.linear_to_residual(&layer.down, member, w);
        }
    }

    /// The logits of all rows: `[rows, vocab]`.
    fn head(&self, rows: usize, w: &mut Worker, logits: &mut [i32]) {
        let head = &self.net.head;
        let outputs = 0..head.matrix.rows();
        self.round_residual(rows, head.wide, self.net.config.epsilon, w);
        if head.wide {
            let part = resize(&mut w.part, 2 * logits.len());
            self.products(head, outputs.clone(), rows, &w.rounded, &mut w.workspace, part);
            logits.copy_from_slice(&part[..logits.len()]);
        } else {
            self.products(head, outputs.clone(), rows, &w.rounded, &mut w.workspace, logits);
        }
        self.scale_rows(head, outputs, &w.units, logits);
    }

    /// The same, of which each member computes a part.
    fn shared_head(&self, rows: usize, member: &mut Member<'_>, w: &mut Worker) {
        let head = &self.net.head;
        self.round_residual(rows, head.wide, self.net.config.epsilon, w);
        self.linear(head, member, w);
    }

    fn embed(&self, rows: &[Row], w: &mut Worker) {
        let Matrix {
            mantissas, exponents, ..
        } = &self.net.embedding;
        let d_model = self.net.config.d_model;
        w.units.clear();
        w.units.resize(rows.len(), Factor::default());
        w.angles.0.clear();
        let Config { window, sinks, .. } = self.net.config;
        for row in rows {
            for position in [row.position, row.position.min(window + sinks - 1)] {
                self.net.add_angles(position, &mut w.angles);
            }
        }
        let residual = resize(&mut w.residual, rows.len() * d_model);
        for (row, residual) in rows.iter().zip(residual.chunks_exact_mut(d_model)) {
            let token = row.token as usize;
            let weights = self.net.embedding.row(token);
            let (mantissa, exponent) = (i64::from(mantissas[token]), u32::from(exponents[token]));
            for (x, &weight) in residual.iter_mut().zip(weights) {
                let product = i64::from(weight) * mantissa;
                let rounded = match exponent {
                    0 => product,
                    _ => round_shr_i64(product, exponent),
                };
                *x = rounded.clamp((-LIMIT).into(), LIMIT.into()) as i32;
            }
        }
    }

    /// Norms and rounds the residual.
    fn round_residual(&self, rows: usize, wide: bool, epsilon: u32, w: &mut Worker) {
        let d_model = self.net.config.d_model;
        let kernels = self.net.kernels;
        let residual = &w.residual[..rows * d_model];
        let unit = |levelled: &[i32], level: Level| {
            level.normed_unit(kernels.sum_of_squares(levelled), epsilon, d_model as u32)
        };
        round_rows(
            kernels,
            residual,
            d_model,
            wide,
            unit,
            &mut w.levelled,
            &mut w.rounded,
            &mut w.units,
        );
    }

    /// Rounds the vectors in `inner`.
    fn round_inner(&self, width: usize, wide: bool, fraction_bits: u32, w: &mut Worker) {
        let inner = &w.inner[..w.units.len() * width];
        let unit = |_: &[i32], level: Level| level.unit(fraction_bits);
        round_rows(
            self.net.kernels,
            inner,
            width,
            wide,
            unit,
            &mut w.levelled,
            &mut w.rounded,
            &mut w.units,
        );
    }

    /// Some columns of the sums of a matrix with the rounded vectors: int32 `[rows, columns]`, in a buffer of
    /// [`Pass::products_len`].
    fn products(
        &self,
        linear: &Linear,
        columns: Range<usize>,
        rows: usize,
        rounded: &[i8],
        workspace: &mut Workspace,
        out: &mut [i32],
    ) {
        let (stride, width) = (linear.matrix.stride(), columns.len());
        if width == 0 {
            return;
        }
        let vectors = out.len() / width;
        let input = &rounded[..vectors * stride];
        self.net
            .kernels
            .matmul_rows(&linear.matrix, columns, input, workspace, out);
        if linear.wide {
            let (high, low) = out.split_at_mut(rows * width);
            self.net.kernels.join_sums(high, low);
        }
    }

    /// The sums of the two parts of vectors of 16 bits need twice the room.
    const fn products_len(linear: &Linear, rows: usize, columns: usize) -> usize {
        if linear.wide {
            2 * rows * columns
        } else {
            rows * columns
        }
    }

    /// The outputs of a matrix for the rounded vectors: into `sums`, `[rows, outputs]`.
    fn linear(&self, linear: &Linear, member: &mut Member<'_>, w: &mut Worker) {
        let (rows, outputs) = (w.units.len(), linear.matrix.rows());
        let columns = member.share(outputs, ROW_GROUP);
        let len = Self::products_len(linear, rows, columns.len());
        let part = resize(&mut w.part, len);
        self.products(linear, columns.clone(), rows, &w.rounded, &mut w.workspace, part);
        self.scale_rows(linear, columns.clone(), &w.units, part);
        if member.count() == 1 {
            std::mem::swap(&mut w.part, &mut w.sums);
        } else {
            let sums = resize(&mut w.sums, rows * outputs);
            member.exchange(&mut w.part, rows, outputs, ROW_GROUP, sums);
        }
    }

    /// Scales some columns of sums: `[rows, columns]`.
    fn scale_rows(&self, linear: &Linear, columns: Range<usize>, units: &[Factor], sums: &mut [i32]) {
        if columns.is_empty() {
            return;
        }
        let (mantissas, exponents) = (
            &linear.mantissas[columns.clone()],
            &linear.exponents[columns.clone()],
        );
        for (sums, &unit) in sums.chunks_exact_mut(columns.len()).zip(units) {
            self.net.kernels.scale(sums, mantissas, exponents, unit);
        }
    }

    /// Adds the outputs of a matrix to the residual.
    fn linear_to_residual(&self, linear: &Linear, member: &mut Member<'_>, w: &mut Worker) {
        let (rows, d_model) = (w.units.len(), self.net.config.d_model);
        if member.count() == 1 {
            let len = Self::products_len(linear, rows, d_model);
            let part = resize(&mut w.part, len);
            self.products(linear, 0..d_model, rows, &w.rounded, &mut w.workspace, part);
            let sums = part.chunks_exact(d_model).zip(&w.units);
            for ((sums, &unit), residual) in sums.zip(w.residual.chunks_exact_mut(d_model)) {
                let (mantissas, exponents) = (&linear.mantissas, &linear.exponents);
                self.net
                    .kernels
                    .add_scaled(sums, mantissas, exponents, unit, residual);
            }
        } else {
            self.linear(linear, member, w);
            let terms = &w.sums[..rows * d_model];
            for (residual, &term) in w.residual.iter_mut().zip(terms) {
                *residual = (*residual + term).clamp(-LIMIT, LIMIT);
            }
        }
    }

    fn add_bias(&self, layer: &PackedLayer, w: &mut Worker) {
        if self.net.config.qkv_bias {
            let len = layer.qkv_bias.len();
            for sums in w.sums.chunks_exact_mut(len).take(w.units.len()) {
                for (x, &bias) in sums.iter_mut().zip(&layer.qkv_bias) {
                    *x = (*x + bias).clamp(-LIMIT, LIMIT);
                }
            }
        }
    }

    /// Rotates and rounds keys, and stores them with their values: those of this member's share of the heads.
    fn store(&self, index: usize, layer: &PackedLayer, rows: &[Row], member: &Member<'_>, w: &mut Worker) {
        let config = &self.net.config;
        let (kernels, h) = (self.net.kernels, config.head_dim);
        let padded = head_parts(config) * HEAD_DIM;
        let mine = member.share(config.kv_heads, 1);
        let space = &mut w.attention;
        let qkv_rows = w.sums.chunks_exact(config.qkv_rows());
        for (r, (row, qkv)) in rows.iter().zip(qkv_rows).enumerate() {
            let keys = &qkv[config.attended()..];
            let values = &keys[config.kv_heads * h..];
            let angles = w.angles.of(r, false, config.rotary_dim / 2);
            let mut heads = self.caches[row.sequence].write(index);
            for head in mine.clone() {
                space.key.resize(padded, 0);
                space.value.resize(padded, 0);
                let key = &keys[head * h..][..h];
                let level = self.level_head(key, &layer.key_gains, &mut space.head, &mut space.gained);
                let key_unit = self.rotate(level, &space.head, angles, &mut w.levelled, &mut space.key[..h]);
                let levelled = resize(&mut w.levelled, h);
                let level = kernels.level(&values[head * h..][..h], levelled);
                kernels.to_i8(levelled, level, &mut space.value[..h]);
                let (key, value) = (
                    (&space.key[..], key_unit),
                    (&space.value[..], level.unit(bits::HEAD)),
                );
                heads[head].store(kernels, config, row.position, key, value);
            }
        }
    }

    /// A query or key, levelled, with its gains if there are some, into `out`.
    fn level_head(&self, x: &[i32], gains: &[i16], out: &mut Vec<i32>, gained: &mut Vec<i32>) -> HeadLevel {
        let kernels = self.net.kernels;
        let out = resize(out, x.len());
        let level = kernels.level(x, out);
        if gains.is_empty() {
            return HeadLevel { level, norm: None };
        }
        let squares = kernels.sum_of_squares(out);
        let gained = resize(gained, x.len());
        for ((gained, &x), &gain) in gained.iter_mut().zip(&*out).zip(gains) {
            *gained = x * i32::from(gain);
        }
        let of_gained = kernels.level(gained, out);
        HeadLevel {
            level,
            norm: Some((squares, of_gained.bits)),
        }
    }

    /// Rotates a query or key and rounds it to 8 bits. Returns its unit.
    fn rotate(
        &self,
        of: HeadLevel,
        x: &[i32],
        (cos, sin): (&[i16], &[i16]),
        levelled: &mut Vec<i32>,
        out: &mut [i8],
    ) -> Factor {
        let kernels = self.net.kernels;
        let levelled = resize(levelled, out.len());
        levelled.copy_from_slice(&x[..out.len()]);
        kernels.rotate_i32(levelled, cos, sin);
        let level = Level {
            bits: of.level.bits,
            largest: levelled.iter().fold(0, |max, x| max.max(x.unsigned_abs())),
        };
        kernels.to_i8(levelled, level, out);
        match of.norm {
            None => level.unit(bits::HEAD),
            Some(_) if level.largest == 0 => level.unit(bits::HEAD),
            Some((squares, product_bits)) => {
                let config = &self.net.config;
                let unit = level.normed_unit(squares, config.head_epsilon, config.head_dim as u32);
                Factor {
                    exponent: unit.exponent + 25 - product_bits as u8,
                    ..unit
                }
            }
        }
    }

    /// Attention of all rows, into `inner`: that of this member's share of the heads, and then of all.
    fn attend(
        &self,
        index: usize,
        layer: &PackedLayer,
        rows: &[Row],
        member: &mut Member<'_>,
        w: &mut Worker,
    ) {
        let config = &self.net.config;
        let group = config.heads / config.kv_heads;
        let group_width = group * config.head_dim;
        let mine = member.share(config.kv_heads, 1);
        let width = mine.len() * group_width;
        let (sums, mut part) = (std::mem::take(&mut w.sums), std::mem::take(&mut w.part));
        resize(&mut part, rows.len() * width);
        let (angles, mut around) = (
            std::mem::take(&mut w.angles),
            std::mem::take(&mut w.attention.spans),
        );
        for (r, row) in rows.iter().enumerate() {
            around.clear();
            around.extend(spans(config, row.position));
            let sinks = around.iter().any(|span| span.of_sinks);
            let queries = &sums[r * config.qkv_rows()..][..config.attended()];
            let heads = self.caches[row.sequence].read(index);
            for (place, head) in mine.clone().enumerate() {
                let queries = &queries[head * group_width..][..group_width];
                let out = &mut part[r * width + place * group_width..][..group_width];
                for of_sinks in [false, true].into_iter().take(1 + usize::from(sinks)) {
                    let angles = angles.of(r, of_sinks, config.rotary_dim / 2);
                    self.round_queries(layer, queries, angles, of_sinks, w);
                }
                self.attend_group(&heads[head], &around, out, w);
            }
        }
        (w.angles, w.attention.spans) = (angles, around);
        (w.sums, w.part) = (sums, part);
        let attended = config.attended();
        if member.count() == 1 {
            std::mem::swap(&mut w.part, &mut w.inner);
        } else {
            let inner = resize(&mut w.inner, rows.len() * attended);
            member.exchange(&mut w.part, rows.len(), attended, group_width, inner);
        }
    }

    /// The queries of a group of heads, rotated for the window or for the sinks, and rounded.
    fn round_queries(
        &self,
        layer: &PackedLayer,
        queries: &[i32],
        angles: (&[i16], &[i16]),
        of_sinks: bool,
        w: &mut Worker,
    ) {
        let config = &self.net.config;
        let (h, padded) = (config.head_dim, head_parts(config) * HEAD_DIM);
        let space = &mut w.attention;
        let (rounded, units) = (
            &mut space.queries[usize::from(of_sinks)],
            &mut space.units[usize::from(of_sinks)],
        );
        rounded.resize(queries.len() / h * padded, 0);
        units.clear();
        for (query, out) in queries.chunks_exact(h).zip(rounded.chunks_exact_mut(padded)) {
            let level = self.level_head(query, &layer.query_gains, &mut space.head, &mut space.gained);
            let unit = self.rotate(level, &space.head, angles, &mut w.levelled, &mut out[..h]);
            let mantissa = (u32::from(unit.mantissa) * u32::from(config.score_mantissa)) >> 15;
            units.push(Factor {
                mantissa: mantissa as u16,
                exponent: (unit.exponent + config.score_exponent).saturating_sub(15),
            });
        }
    }

    /// Attention of the heads that share a key-value head, int32 `[group, h]`.
    fn attend_group(&self, cache: &HeadCache, spans: &[Span], out: &mut [i32], w: &mut Worker) {
        let (kernels, h) = (self.net.kernels, self.net.config.head_dim);
        let total: usize = spans.iter().map(|span| span.groups().len()).sum();
        let group = out.len() / h;
        w.attention.scores.resize(group * total, 0);
        let mut start = 0;
        for span in spans {
            self.score(cache, span, start, total, w);
            start += span.groups().len();
        }
        let space = &mut w.attention;
        let least = spans
            .iter()
            .flat_map(|span| &cache.values.exponents[span.places.clone()])
            .fold(u8::MAX, |least, &exponent| least.min(exponent));
        for (scores, out) in space.scores.chunks_exact(total).zip(out.chunks_exact_mut(h)) {
            let (mut maximum, mut start) = (i32::MIN, 0);
            for span in spans {
                let inner = span.inner();
                maximum = maximum.max(kernels.maximum(&scores[start + inner.start..start + inner.end]));
                start += span.groups().len();
            }
            let weights = resize(&mut space.weights, total);
            let (mut sum, mut start) = (0, 0);
            for span in spans {
                let (inner, len) = (span.inner(), span.groups().len());
                let weights = &mut weights[start..start + len];
                weights[..inner.start].fill(0);
                weights[inner.end..].fill(0);
                let scores = &scores[start..start + len];
                sum += kernels.weigh_scores(&scores[inner.clone()], maximum, &mut weights[inner]);
                start += len;
            }
            let sums = resize(&mut space.sums, h.next_multiple_of(HEAD_DIM));
            sums.fill(0);
            let mut start = 0;
            for span in spans {
                let groups = span.groups();
                let weights = &weights[start..start + groups.len()];
                let low = resize(&mut space.low, groups.len());
                let high = resize(&mut space.high, groups.len());
                kernels.weigh_values(
                    weights,
                    &cache.values.mantissas[groups.clone()],
                    &cache.values.exponents[groups.clone()],
                    least,
                    low,
                    high,
                );
                for first in (0..groups.len()).step_by(WEIGHTS) {
                    let end = (first + WEIGHTS).min(groups.len());
                    for (part, sums) in cache.parts.iter().zip(sums.chunks_exact_mut(HEAD_DIM)) {
                        let low = kernels.weighted_values(part, groups.start + first, &low[first..end]);
                        let high = kernels.weighted_values(part, groups.start + first, &high[first..end]);
                        for ((sum, low), high) in sums.iter_mut().zip(low).zip(high) {
                            *sum += i64::from(low) + (i64::from(high) << 8);
                        }
                    }
                }
                start += groups.len();
            }
            divide(sums, sum, least, out);
        }
    }

    /// The scores of a group's queries with the keys of a span: from `start` on of each `total`.
    fn score(&self, cache: &HeadCache, span: &Span, start: usize, total: usize, w: &mut Worker) {
        let kernels = self.net.kernels;
        let space = &mut w.attention;
        let groups = span.groups();
        let which = usize::from(span.of_sinks);
        let queries = &space.queries[which];
        let padded = cache.parts.len() * HEAD_DIM;
        for (number, part) in cache.parts.iter().enumerate() {
            let queries = if cache.parts.len() == 1 {
                &queries[..]
            } else {
                space.part.clear();
                for query in queries.chunks_exact(padded) {
                    space.part.extend(&query[number * HEAD_DIM..][..HEAD_DIM]);
                }
                &space.part
            };
            let products = if number == 0 {
                &mut space.products
            } else {
                &mut space.other
            };
            kernels.key_products(part, groups.clone(), queries, &mut w.workspace, products);
            if number > 0 {
                for (sum, other) in space.products.iter_mut().zip(&space.other) {
                    *sum = sum.wrapping_add(*other);
                }
            }
        }
        let (mantissas, exponents) = (
            &cache.keys.mantissas[groups.clone()],
            &cache.keys.exponents[groups.clone()],
        );
        let heads = space.products.chunks_exact(groups.len()).zip(&space.units[which]);
        for ((products, &unit), scores) in heads.zip(space.scores.chunks_exact_mut(total)) {
            let scores = &mut scores[start..start + groups.len()];
            scores.copy_from_slice(products);
            kernels.scale(scores, mantissas, exponents, unit);
        }
    }
}

/// What the unit of a query or key follows from.
#[derive(Clone, Copy)]
struct HeadLevel {
    level: Level,
    /// With a norm: the sum of squares before the gains, and the bits of the largest product with one.
    norm: Option<(u64, u32)>,
}

/// Rounds vectors `[rows, width]` to 8 bits, or to 16 in two halves of `rounded`.
#[allow(
    clippy::too_many_arguments,
    reason = "parts of a worker, which are borrowed one by one"
)]
fn round_rows(
    kernels: Kernels,
    x: &[i32],
    width: usize,
    wide: bool,
    unit: impl Fn(&[i32], Level) -> Factor,
    levelled: &mut Vec<i32>,
    rounded: &mut Vec<i8>,
    units: &mut [Factor],
) {
    let stride = width.next_multiple_of(PackedMatrix::COLUMN_GROUP);
    let rows = units.len();
    let rounded = resize(rounded, (1 + usize::from(wide)) * rows * stride);
    let (high, low) = rounded.split_at_mut(rows * stride);
    let levelled = resize(levelled, width);
    for (row, (x, to)) in x.chunks_exact(width).zip(units).enumerate() {
        let level = kernels.level(x, levelled);
        *to = unit(levelled, level);
        let high = &mut high[row * stride..][..width];
        if wide {
            kernels.to_i8_pair(levelled, level, high, &mut low[row * stride..][..width]);
            to.exponent += 2;
        } else {
            kernels.to_i8(levelled, level, high);
        }
    }
}

/// Sums of weighted values, `[h]` and padding, over the sum of the weights.
fn divide(sums: &[i64], total: u32, least: u8, out: &mut [i32]) {
    let bits = u32::BITS - total.leading_zeros();
    let reciprocal = (1i64 << (bits + 14)) / i64::from(total);
    let shift = (u32::from(least) + bits).saturating_sub(17).clamp(1, 62);
    for (&sum, out) in sums.iter().zip(out) {
        let rounded = round_shr_i64(sum * reciprocal, shift);
        *out = rounded.clamp((-LIMIT).into(), LIMIT.into()) as i32;
    }
}
