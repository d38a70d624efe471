//! The tensors of a net in a file: names, types, shapes and ranges, in one table for the reader and the writer.
//!
//! The table follows section 4.2 of `docs/spec/czm-v3.md`; the ranges are those of section 5.

use std::borrow::Cow;
use std::io::{self, Read};

use bytemuck::Zeroable;
use safetensors::tensor::Dtype;

use super::{Config, Layer, Matrix, Weights};
use crate::Error;
use crate::envelope::out_of_range;

/// The largest exponent of a row's factor.
const MAX_EXPONENT: u8 = 48;
/// The largest magnitude of a bias.
pub(super) const LIMIT: i32 = (1 << 28) - 1;

/// A tensor of the format, and where in [`Weights`] its elements are.
pub(super) struct Tensor<'w> {
    pub(super) name: String,
    pub(super) shape: Vec<usize>,
    pub(super) elements: Elements<'w>,
}

/// The elements of a tensor.
pub(super) enum Elements<'w> {
    Int8(&'w mut Vec<i8>),
    Exponents(&'w mut Vec<u8>),
    Uint16(&'w mut Vec<u16>),
    Int16(&'w mut Vec<i16>),
    Uint32(&'w mut Vec<u32>),
    Biases(&'w mut Vec<i32>),
}

/// Every tensor of a net of these sizes.
pub(super) fn tensors(weights: &mut Weights) -> Vec<Tensor<'_>> {
    let Weights {
        config,
        frequencies,
        embedding,
        layers,
        head,
    } = weights;
    let d = config.d_model;
    let mut table = Table(Vec::new());
    table.matrix("embed", [config.vocab_size, d], embedding);
    table.add(
        "rope.frequencies".into(),
        &[config.rotary_dim / 2],
        Elements::Uint32(frequencies),
    );
    for (index, layer) in layers.iter_mut().enumerate() {
        let name = |name: &str| format!("layers.{index}.{name}");
        table.matrix(&name("attn.qkv"), [config.qkv_rows(), d], &mut layer.qkv);
        if config.qkv_bias {
            let biases = Elements::Biases(&mut layer.qkv_bias);
            table.add(name("attn.qkv.bias"), &[config.qkv_rows()], biases);
        }
        if config.head_norms {
            let (queries, keys) = (&mut layer.query_gains, &mut layer.key_gains);
            table.add(
                name("attn.query_gains"),
                &[config.head_dim],
                Elements::Int16(queries),
            );
            table.add(name("attn.key_gains"), &[config.head_dim], Elements::Int16(keys));
        }
        table.matrix(&name("attn.out"), [d, config.attended()], &mut layer.out);
        table.matrix(&name("ffn.gate_up"), [2 * config.d_ff, d], &mut layer.gate_up);
        table.matrix(&name("ffn.down"), [d, config.d_ff], &mut layer.down);
    }
    table.matrix("head", [config.vocab_size, d], head);
    table.0
}

/// Weights without elements, for the tensors of a file to be read into.
pub(super) fn empty(config: Config) -> Weights {
    Weights {
        frequencies: Vec::new(),
        embedding: Matrix::default(),
        layers: vec![Layer::default(); config.layers],
        head: Matrix::default(),
        config,
    }
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

    fn matrix(&mut self, name: &str, shape: [usize; 2], matrix: &'w mut Matrix) {
        let Matrix {
            weights,
            mantissas,
            exponents,
        } = matrix;
        let rows = &shape[..1];
        self.add(format!("{name}.weight"), &shape, Elements::Int8(weights));
        self.add(format!("{name}.mantissa"), rows, Elements::Uint16(mantissas));
        self.add(format!("{name}.exponent"), rows, Elements::Exponents(exponents));
    }
}

/// Reads this many numbers into memory that is allocated for them. Whoever calls it knows that as many bytes are there.
fn read_numbers<T: bytemuck::Pod + Zeroable, const N: usize>(
    reader: &mut impl Read,
    count: usize,
    numbers: &mut Vec<T>,
    from_le_bytes: fn([u8; N]) -> T,
) -> io::Result<()> {
    numbers.clear();
    numbers.resize(count, T::zeroed());
    reader.read_exact(bytemuck::cast_slice_mut(numbers))?;
    if cfg!(target_endian = "big") {
        for number in numbers {
            let bytes = bytemuck::bytes_of(number).try_into().expect("N bytes");
            *number = from_le_bytes(bytes);
        }
    }
    Ok(())
}

/// Numbers as a file has them. On machines that have them so, they are not copied.
fn number_bytes<T: bytemuck::Pod, const N: usize>(
    numbers: &[T],
    to_le_bytes: fn(T) -> [u8; N],
) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "big") {
        numbers.iter().flat_map(|&number| to_le_bytes(number)).collect()
    } else {
        Cow::Borrowed(bytemuck::cast_slice(numbers))
    }
}

impl<'w> Elements<'w> {
    pub(super) fn len(&self) -> usize {
        match self {
            Self::Int8(elements) => elements.len(),
            Self::Exponents(elements) => elements.len(),
            Self::Uint16(elements) => elements.len(),
            Self::Int16(elements) => elements.len(),
            Self::Uint32(elements) => elements.len(),
            Self::Biases(elements) => elements.len(),
        }
    }

    pub(super) const fn dtype(&self) -> Dtype {
        match self {
            Self::Int8(_) => Dtype::I8,
            Self::Exponents(_) => Dtype::U8,
            Self::Uint16(_) => Dtype::U16,
            Self::Int16(_) => Dtype::I16,
            Self::Uint32(_) => Dtype::U32,
            Self::Biases(_) => Dtype::I32,
        }
    }

    /// Replaces the elements by `count` of a file's data.
    pub(super) fn read(&mut self, reader: &mut impl Read, count: usize) -> io::Result<()> {
        match self {
            Self::Int8(elements) => read_numbers(reader, count, elements, i8::from_le_bytes),
            Self::Exponents(elements) => read_numbers(reader, count, elements, u8::from_le_bytes),
            Self::Uint16(elements) => read_numbers(reader, count, elements, u16::from_le_bytes),
            Self::Int16(elements) => read_numbers(reader, count, elements, i16::from_le_bytes),
            Self::Uint32(elements) => read_numbers(reader, count, elements, u32::from_le_bytes),
            Self::Biases(elements) => read_numbers(reader, count, elements, i32::from_le_bytes),
        }
    }

    /// The inverse of [`Elements::read`], by value, so that what it returns can outlive `self`.
    pub(super) fn into_bytes(self) -> Cow<'w, [u8]> {
        match self {
            Self::Int8(elements) => Cow::Borrowed(bytemuck::cast_slice(elements)),
            Self::Exponents(elements) => Cow::Borrowed(elements),
            Self::Uint16(elements) => number_bytes(elements, u16::to_le_bytes),
            Self::Int16(elements) => number_bytes(elements, i16::to_le_bytes),
            Self::Uint32(elements) => number_bytes(elements, u32::to_le_bytes),
            Self::Biases(elements) => number_bytes(elements, i32::to_le_bytes),
        }
    }
}

impl Tensor<'_> {
    pub(super) fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Refuses elements outside the range of their kind.
    pub(super) fn check_range(&self) -> Result<(), Error> {
        let (value, low, high) = match &self.elements {
            Elements::Exponents(exponents) => match exponents.iter().find(|&&x| x > MAX_EXPONENT) {
                Some(&exponent) => (exponent.into(), 0, MAX_EXPONENT.into()),
                None => return Ok(()),
            },
            Elements::Biases(biases) => match biases.iter().find(|x| x.unsigned_abs() > LIMIT as u32) {
                Some(&bias) => (bias.into(), (-LIMIT).into(), LIMIT.into()),
                None => return Ok(()),
            },
            _ => return Ok(()),
        };
        Err(out_of_range(&self.name, value, low, high))
    }
}
