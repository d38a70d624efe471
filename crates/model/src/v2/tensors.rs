//! The tensors of a net in a file: names, types, shapes and ranges, in one table for the reader and the writer.
//!
//! The table follows section 4.2 of `docs/spec/czm-v2.md`; the ranges are those of section 5.

use czip_kernels::HEAD_DIM;
use safetensors::tensor::Dtype;

use super::{Config, Layer, Matrix, Weights};
use crate::Error;
use crate::envelope::{Stored, Tensors, out_of_range};

/// The largest shift of a sum of products.
const MAX_SHIFT: u8 = 24;
/// The largest shift of a row of an embedding.
const MAX_EMBEDDING_SHIFT: u8 = 8;
/// The largest magnitude of an attention sink's score.
const MAX_SINK: i32 = 1 << 20;
/// The elements that four bits hold.
const INT4: std::ops::RangeInclusive<i8> = -8..=7;

/// A tensor of the format, and where in [`Weights`] its elements are.
pub(super) struct Tensor<'w> {
    pub(super) name: String,
    /// The shape of the elements, `[rows, cols]` or `[len]`. That of the file differs for [`Elements::Int4`].
    shape: Vec<usize>,
    elements: Elements<'w>,
}

/// The elements of a tensor. Vectors take any length, which has been checked against the shape.
enum Elements<'w> {
    Int8(&'w mut Vec<i8>),
    /// Two to a byte, the first in the lower half, each in two's complement.
    Int4(&'w mut Vec<i8>),
    Shifts {
        shifts: &'w mut Vec<u8>,
        most: u8,
    },
    Uint16(&'w mut [u16]),
    Sinks(&'w mut [i32]),
}

/// Every tensor that a net of these sizes has, in the order in which they are read.
pub(super) fn tensors(weights: &mut Weights) -> Vec<Tensor<'_>> {
    let Weights {
        config,
        frequencies,
        embedding,
        bigram,
        layers,
        head,
    } = weights;
    let (d, attended) = (config.d_model, config.heads * HEAD_DIM);
    let mut table = Table(Vec::new());
    table.vector("rope.frequencies".to_owned(), Elements::Uint16(frequencies));
    for (index, layer) in layers.iter_mut().enumerate() {
        let name = |name: &str| format!("layers.{index}.{name}");
        table.vector(name("attn.sinks"), Elements::Sinks(&mut layer.sinks));
        table.matrix(&name("attn.qkv"), [config.qkv_rows(), d], &mut layer.qkv);
        table.vector(name("attn.gains"), Elements::Uint16(&mut layer.gains));
        table.matrix(&name("attn.out"), [d, attended], &mut layer.out);
        table.matrix(&name("ffn.up"), [config.d_ff, d], &mut layer.up);
        table.matrix(&name("ffn.down"), [d, config.d_ff], &mut layer.down);
    }
    table.embedding("embed", [config.vocab_size, d], embedding);
    if config.bigram_buckets > 0 {
        table.embedding("bigram", [config.bigram_buckets, config.bigram_width], bigram);
    }
    table.matrix("head", [config.vocab_size, d], head);
    table.0
}

struct Table<'w>(Vec<Tensor<'w>>);

impl<'w> Table<'w> {
    fn add(&mut self, name: String, shape: &[usize], elements: Elements<'w>) {
        let shape = shape.to_vec();
        self.0.push(Tensor {
            name,
            shape,
            elements,
        });
    }

    /// A tensor of one dimension, whose elements already have their number.
    fn vector(&mut self, name: String, elements: Elements<'w>) {
        let len = elements.len();
        self.add(name, &[len], elements);
    }

    fn shifts(&mut self, name: &str, rows: usize, shifts: &'w mut Vec<u8>, most: u8) {
        self.add(
            format!("{name}.shift"),
            &[rows],
            Elements::Shifts { shifts, most },
        );
    }

    fn matrix(&mut self, name: &str, shape: [usize; 2], matrix: &'w mut Matrix) {
        self.add(
            format!("{name}.weight"),
            &shape,
            Elements::Int8(&mut matrix.weights),
        );
        self.shifts(name, shape[0], &mut matrix.shifts, MAX_SHIFT);
    }

    fn embedding(&mut self, name: &str, shape: [usize; 2], matrix: &'w mut Matrix) {
        self.add(
            format!("{name}.weight"),
            &shape,
            Elements::Int4(&mut matrix.weights),
        );
        self.shifts(name, shape[0], &mut matrix.shifts, MAX_EMBEDDING_SHIFT);
    }
}

impl Elements<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Int8(elements) | Self::Int4(elements) => elements.len(),
            Self::Shifts { shifts, .. } => shifts.len(),
            Self::Uint16(elements) => elements.len(),
            Self::Sinks(elements) => elements.len(),
        }
    }

    const fn dtype(&self) -> Dtype {
        match self {
            Self::Int8(_) => Dtype::I8,
            Self::Int4(_) | Self::Shifts { .. } => Dtype::U8,
            Self::Uint16(_) => Dtype::U16,
            Self::Sinks(_) => Dtype::I32,
        }
    }

    /// Replaces the elements by those of a tensor's data.
    fn read(&mut self, data: &[u8]) {
        match self {
            Self::Int8(elements) => **elements = bytemuck::cast_slice(data).to_vec(),
            Self::Int4(elements) => {
                let halves = |byte: &u8| [(byte << 4) as i8 >> 4, *byte as i8 >> 4];
                **elements = data.iter().flat_map(halves).collect();
            }
            Self::Shifts { shifts, .. } => **shifts = data.to_vec(),
            Self::Uint16(elements) => {
                let numbers = data.as_chunks().0.iter();
                elements
                    .iter_mut()
                    .zip(numbers)
                    .for_each(|(to, &bytes)| *to = u16::from_le_bytes(bytes));
            }
            Self::Sinks(elements) => {
                let numbers = data.as_chunks().0.iter();
                elements
                    .iter_mut()
                    .zip(numbers)
                    .for_each(|(to, &bytes)| *to = i32::from_le_bytes(bytes));
            }
        }
    }

    /// The inverse of [`Elements::read`].
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Int8(elements) => bytemuck::cast_slice(elements).to_vec(),
            Self::Int4(elements) => {
                let pairs = elements.as_chunks::<2>().0.iter();
                pairs
                    .map(|&[low, high]| low as u8 & 15 | (high as u8) << 4)
                    .collect()
            }
            Self::Shifts { shifts, .. } => shifts.to_vec(),
            Self::Uint16(elements) => elements.iter().flat_map(|x| x.to_le_bytes()).collect(),
            Self::Sinks(elements) => elements.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    /// An element outside the range of its kind, and the range.
    fn outside(&self) -> Option<(i64, i64, i64)> {
        fn first<T: Copy + PartialOrd + Into<i64>>(
            elements: &[T],
            low: T,
            high: T,
        ) -> Option<(i64, i64, i64)> {
            let outside = elements.iter().find(|&&x| x < low || x > high)?;
            Some(((*outside).into(), low.into(), high.into()))
        }
        match self {
            Self::Int8(_) | Self::Uint16(_) => None,
            Self::Int4(elements) => first(elements, *INT4.start(), *INT4.end()),
            Self::Shifts { shifts, most } => first(shifts, 0, *most),
            Self::Sinks(elements) => first(elements, -MAX_SINK, MAX_SINK),
        }
    }
}

impl Tensor<'_> {
    /// The shape in a file.
    fn stored_shape(&self) -> Vec<usize> {
        match (&self.elements, self.shape.as_slice()) {
            (Elements::Int4(_), &[rows, cols]) => vec![rows, cols / 2],
            (_, shape) => shape.to_vec(),
        }
    }

    fn check_range(&self) -> Result<(), Error> {
        match self.elements.outside() {
            Some((value, low, high)) => Err(out_of_range(&self.name, value, low, high)),
            None => Ok(()),
        }
    }

    fn read(&mut self, file: &Tensors<'_>) -> Result<(), Error> {
        let data = file.typed(&self.name, &self.stored_shape(), self.elements.dtype())?;
        self.elements.read(data);
        self.check_range()
    }

    fn to_stored(&self) -> Result<Stored<'static>, Error> {
        let count: usize = self.shape.iter().product();
        assert_eq!(self.elements.len(), count, "elements of the tensor {}", self.name);
        self.check_range()?;
        Ok((
            self.elements.dtype(),
            self.stored_shape(),
            self.elements.to_bytes().into(),
        ))
    }
}

/// Reads the weights of a net of these sizes.
pub(super) fn read(file: &Tensors<'_>, config: Config) -> Result<Weights, Error> {
    let layer = Layer {
        qkv: Matrix::default(),
        gains: vec![0; config.heads],
        sinks: vec![0; config.heads],
        out: Matrix::default(),
        up: Matrix::default(),
        down: Matrix::default(),
    };
    let mut weights = Weights {
        frequencies: [0; HEAD_DIM / 2],
        embedding: Matrix::default(),
        bigram: Matrix::default(),
        layers: vec![layer; config.layers],
        head: Matrix::default(),
        config,
    };
    tensors(&mut weights)
        .iter_mut()
        .try_for_each(|tensor| tensor.read(file))?;
    Ok(weights)
}

/// The tensors of a net, by name.
pub(super) fn to_stored(weights: &Weights) -> Result<Vec<(String, Stored<'static>)>, Error> {
    // A copy, so one table serves both for writing elements and for reading them.
    let mut weights = weights.clone();
    let config = &weights.config;
    assert_eq!(weights.layers.len(), config.layers, "layers");
    for layer in &weights.layers {
        assert_eq!([layer.gains.len(), layer.sinks.len()], [config.heads; 2], "heads");
    }
    tensors(&mut weights)
        .into_iter()
        .map(|tensor| {
            let stored = tensor.to_stored()?;
            Ok((tensor.name, stored))
        })
        .collect()
}
