//! The cost and the gradients of a step, on a GPU.
//!
//! The net of [`crate::graph`] once more, in floats that hold the same integers: tensors are in units of their last bit,
//! and are rounded and clamped where the integer net does it. What differs is the order of sums, the last bits of
//! reciprocal roots and exponentials, and so now and then a rounding. Gradients pass roundings and clamps as they do on
//! the CPU: [`given`] states both directions of each such operation, burn's autodiff has the products and sums between
//! them.
//!
//! The embeddings of tokens and bigrams stay on the CPU. They are most of the parameters, and looking them up is no work.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::checkpoint::strategy::NoCheckpointing;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_tensor::backend::Backend;
use burn_tensor::{IndexingUpdateOp, Int, Tensor, TensorData, TensorPrimitive, read_sync};
use burn_wgpu::graphics::{AutoGraphicsApi, GraphicsApi};
use burn_wgpu::{RuntimeOptions, Wgpu, WgpuDevice, WgpuSetup, init_device};
use czip_model::v2::{Config, HEAD_DIM, SQUARE_SHIFT, bits, rotation};

use crate::device::error::Error;
use crate::graph::{Loss, embed_backward};
use crate::numbers::power;
use crate::parameters::{LayerTensors, Layout, Tensor as Place, frequencies};
use crate::tape::Sequence;

/// A GPU that is ready to use.
#[derive(Clone, Debug)]
pub(crate) struct Gpu {
    device: WgpuDevice,
    name: String,
}

impl Gpu {
    /// The fastest one.
    pub(crate) fn open() -> Result<Self, Error> {
        let backend = AutoGraphicsApi::backend();
        let instance = wgpu::Instance::new(&wgpu::InstanceDescriptor {
            backends: backend.into(),
            ..wgpu::InstanceDescriptor::default()
        });
        // burn would find it too, but it panics where there is none.
        let adapter = read_sync(instance.request_adapter(&wgpu::RequestAdapterOptions {
            power_preference: wgpu::PowerPreference::HighPerformance,
            ..wgpu::RequestAdapterOptions::default()
        }))
        .map_err(|_| Error::NotFound)?;
        let name = adapter.get_info().name;
        // All features, since burn asks for them, except memory that both sides see, which is slow on the GPU.
        let features = adapter.features() - wgpu::Features::MAPPABLE_PRIMARY_BUFFERS;
        let (device, queue) = read_sync(adapter.request_device(&wgpu::DeviceDescriptor {
            required_features: features,
            required_limits: adapter.limits(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..wgpu::DeviceDescriptor::default()
        }))
        .map_err(|error| Error::Refused {
            name: name.clone(),
            reason: error.to_string(),
        })?;
        let setup = WgpuSetup {
            instance,
            adapter,
            device,
            queue,
            backend,
        };
        let device = init_device(setup, RuntimeOptions::default());
        Ok(Self { device, name })
    }

    /// The driver's name for it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The cost of sequences, and its gradients, in bits for each parameter's unit, added to `gradients`.
    pub(crate) fn backward(
        &self,
        layout: &Layout,
        parameters: &[f32],
        sequences: &[Sequence<'_>],
        gradients: &mut [f32],
    ) -> Loss {
        backward::<Wgpu>(&self.device, layout, parameters, sequences, gradients)
    }
}

/// A tensor that gradients go through.
type Tracked<B, const D: usize> = Tensor<Autodiff<B>, D>;

/// Elements of the largest tensor: GPUs need not have buffers of more than 128 MiB, and integrated ones lack memory.
const MOST: usize = 1 << 24;

fn backward<B: Backend>(
    device: &B::Device,
    layout: &Layout,
    parameters: &[f32],
    sequences: &[Sequence<'_>],
    gradients: &mut [f32],
) -> Loss {
    let config = &layout.config;
    let longest = sequences.iter().map(|sequence| sequence.len()).max();
    let longest = longest.unwrap_or(0).max(1);
    let block = config.window.clamp(1, longest);
    let shape = Shape {
        block,
        blocks: longest.div_ceil(block),
    };
    let (_, floats) = layout.quantize(parameters);
    let net = Net::<B>::new(device, layout, &floats, shape);
    let widest = config.vocab_size.max(config.heads * 2 * block).max(config.d_ff);
    let at_once = (MOST / (shape.positions() * widest)).max(1);
    let mut loss = Loss::default();
    for sequences in sequences.chunks(at_once) {
        loss += net.backward(layout, &floats, sequences, gradients);
    }
    loss
}

/// How sequences are laid out. Queries are taken in blocks as long as the window, so what they attend to lies in the
/// same block and the one before it.
#[derive(Clone, Copy)]
struct Shape {
    block: usize,
    blocks: usize,
}

impl Shape {
    fn positions(self) -> usize {
        self.block * self.blocks
    }
}

/// A tensor of parameters.
struct Leaf<B: Backend> {
    tensor: Tracked<B, 2>,
    /// Its place among all parameters.
    range: Range<usize>,
    /// The factor that it was multiplied by, from units of inputs to units of outputs.
    scale: f32,
}

/// The net at one step.
struct Net<B: Backend> {
    device: B::Device,
    config: Config,
    shape: Shape,
    leaves: Vec<Leaf<B>>,
    layers: Vec<Layer<B>>,
    head: Tracked<B, 2>,
    /// `[1, positions, 1, 32]`.
    cos: Tensor<B, 4>,
    sin: Tensor<B, 4>,
}

struct Layer<B: Backend> {
    /// Queries and key.
    turned: Tracked<B, 2>,
    value: Tracked<B, 2>,
    gains: Tracked<B, 2>,
    sinks: Tracked<B, 2>,
    out: Tracked<B, 2>,
    up: Tracked<B, 2>,
    down: Tracked<B, 2>,
}

/// What attention and the cost need to know of some sequences.
struct Batch<B: Backend> {
    sequences: usize,
    /// What is added to scores, to keep queries from keys outside of their window or document:
    /// `[sequences * blocks, 1, block, 2 * block]`.
    bias: Tensor<B, 4>,
    /// `[rows, 1]`.
    targets: Tensor<B, 2, Int>,
    /// 1 where the prediction counts: `[rows, 1]`.
    counted: Tensor<B, 2>,
}

impl<B: Backend> Net<B> {
    fn new(device: &B::Device, layout: &Layout, floats: &[f32], shape: Shape) -> Self {
        let config = &layout.config;
        let mut leaves = Vec::new();
        let mut leaf = |range: Range<usize>, cols: usize, exponent: i32| {
            let scale = power(exponent);
            let values: Vec<f32> = floats[range.clone()].iter().map(|x| x * scale).collect();
            let data = TensorData::new(values, [range.len() / cols, cols]);
            let tensor = Tensor::from_data(data, device).require_grad();
            leaves.push(Leaf {
                tensor: Tensor::clone(&tensor),
                range,
                scale,
            });
            tensor
        };
        let bits_between = |input: u32, output: u32| output as i32 - input as i32;
        let to_residual = bits_between(bits::ACTIVATION, bits::RESIDUAL);
        let mut layer = |tensors: &LayerTensors| {
            let mut whole = |tensor: &Place, exponent| leaf(tensor.range(), tensor.cols, exponent);
            let gains = whole(&tensors.gains, 0);
            let sinks = whole(&tensors.sinks, bits::LOGIT as i32);
            let out = whole(&tensors.out, to_residual);
            let up = whole(&tensors.up, to_residual);
            let down = whole(&tensors.down, bits_between(bits::HIDDEN, bits::RESIDUAL));
            let (qkv, cols) = (tensors.qkv.range(), tensors.qkv.cols);
            let values = qkv.start + (config.heads + 1) * HEAD_DIM * cols;
            Layer {
                turned: leaf(qkv.start..values, cols, to_residual),
                value: leaf(values..qkv.end, cols, 0),
                gains,
                sinks,
                out,
                up,
                down,
            }
        };
        let layers = layout.layers.iter().map(&mut layer).collect();
        let to_logit = bits_between(bits::ACTIVATION, bits::LOGIT);
        let head = leaf(layout.head.range(), layout.head.cols, to_logit);

        let frequencies = frequencies();
        let (mut cos, mut sin) = (Vec::new(), Vec::new());
        for position in 0..shape.positions() as u64 {
            let (c, s) = rotation(&frequencies, position);
            cos.extend(c.map(|c| f32::from(c) * power(-15)));
            sin.extend(s.map(|s| f32::from(s) * power(-15)));
        }
        let angles = |values| {
            Tensor::from_data(
                TensorData::new(values, [1, shape.positions(), 1, HEAD_DIM / 2]),
                device,
            )
        };
        Self {
            cos: angles(cos),
            sin: angles(sin),
            device: device.clone(),
            config: config.clone(),
            shape,
            leaves,
            layers,
            head,
        }
    }

    fn backward(
        &self,
        layout: &Layout,
        floats: &[f32],
        sequences: &[Sequence<'_>],
        gradients: &mut [f32],
    ) -> Loss {
        let (d, positions) = (self.config.d_model, self.shape.positions());
        let mut residual = vec![0.0; sequences.len() * positions * d];
        for (sequence, rows) in sequences.iter().zip(residual.chunks_exact_mut(positions * d)) {
            embed(layout, floats, sequence, rows);
        }
        let data = TensorData::new(residual, [sequences.len() * positions, d]);
        let embedded = Tracked::<B, 2>::from_data(data, &self.device).require_grad();
        let batch = self.batch(sequences);
        let costs = self.forward(embedded.clone(), &batch);
        let mut back = costs.clone().sum().backward();

        for leaf in &self.leaves {
            let sums = &mut gradients[leaf.range.clone()];
            if let Some(gradient) = leaf.tensor.grad_remove(&mut back) {
                let terms = floats_of(gradient);
                sums.iter_mut()
                    .zip(terms)
                    .for_each(|(sum, term)| *sum += term * leaf.scale);
            }
        }
        if let Some(gradient) = embedded.grad_remove(&mut back) {
            let unit = power(bits::RESIDUAL as i32);
            let mut dx = floats_of(gradient);
            dx.iter_mut().for_each(|x| *x *= unit);
            for (sequence, dx) in sequences.iter().zip(dx.chunks_exact(positions * d)) {
                embed_backward(layout, sequence, dx, gradients);
            }
        }
        Loss {
            bits: floats_of(costs.inner()).into_iter().map(f64::from).sum(),
            tokens: sequences
                .iter()
                .flat_map(|sequence| sequence.counted)
                .filter(|&&counted| counted)
                .count(),
        }
    }

    fn batch(&self, sequences: &[Sequence<'_>]) -> Batch<B> {
        let Shape { block, blocks } = self.shape;
        let positions = self.shape.positions();
        let rows = sequences.len() * positions;
        let (mut first, mut targets, mut counted) = (Vec::new(), Vec::new(), Vec::new());
        for sequence in sequences {
            let count = sequence.len();
            for position in 0..positions {
                // Positions after the sequence's end attend to themselves, and do not count.
                let from = if position < count {
                    sequence.first(position, block)
                } else {
                    position
                };
                // From the beginning of the block before.
                first.push((from + block - position / block * block) as f32);
                let counts = position < count && sequence.counted[position];
                targets.push(if counts {
                    sequence.tokens[position + 1] as i32
                } else {
                    0
                });
                counted.push(f32::from(u8::from(counts)));
            }
        }
        let device = &self.device;
        let first = TensorData::new(first, [sequences.len() * blocks, 1, block, 1]);
        let first = Tensor::<B, 4>::from_data(first, device);
        let last: Vec<f32> = (block..2 * block).map(|last| last as f32).collect();
        let last = Tensor::<B, 4>::from_data(TensorData::new(last, [1, 1, block, 1]), device);
        let keys: Vec<f32> = (0..2 * block).map(|key| key as f32).collect();
        let keys = Tensor::<B, 4>::from_data(TensorData::new(keys, [1, 1, 1, 2 * block]), device);
        let outside = keys.clone().lower(first).float() + keys.greater(last).float();
        Batch {
            sequences: sequences.len(),
            // Scores are 65,536 at most.
            bias: outside * -1e6,
            targets: Tensor::from_data(TensorData::new(targets, [rows, 1]), device),
            counted: Tensor::from_data(TensorData::new(counted, [rows, 1]), device),
        }
    }

    /// The bits of each prediction: `[rows, 1]`.
    fn forward(&self, embedded: Tracked<B, 2>, batch: &Batch<B>) -> Tracked<B, 2> {
        let (activation, hidden) = (bits::ACTIVATION, bits::HIDDEN);
        let mut x = embedded;
        for layer in &self.layers {
            let attended = self.attend(layer, norm(x.clone(), activation), batch);
            x = added(x, linear(norm(attended, activation), &layer.out));
            let up = int16(linear(norm(x.clone(), activation), &layer.up));
            x = added(x, linear(norm(squares(up), hidden), &layer.down));
        }
        let logits = linear(norm(x, activation), &self.head);
        let logits = given(logits.clone(), round(logits.inner()), |gradient| gradient);
        costs(logits, batch)
    }

    /// Outputs of attention: `[rows, heads * 64]`.
    fn attend(&self, layer: &Layer<B>, x: Tracked<B, 2>, batch: &Batch<B>) -> Tracked<B, 2> {
        let (heads, positions) = (self.config.heads, self.shape.positions());
        let Shape { block, blocks } = self.shape;
        let (count, all) = (batch.sequences, batch.sequences * blocks);
        let vectors =
            int16(linear(x.clone(), &layer.turned)).reshape([count, positions, heads + 1, HEAD_DIM]);
        let vectors = norm(self.turned(vectors), bits::ACTIVATION);
        let queries = vectors
            .clone()
            .slice([0..count, 0..positions, 0..heads, 0..HEAD_DIM])
            .reshape([count, blocks, block, heads, HEAD_DIM])
            .swap_dims(2, 3)
            .reshape([all, heads * block, HEAD_DIM]);
        let keys = vectors
            .slice([0..count, 0..positions, heads..heads + 1, 0..HEAD_DIM])
            .reshape([count, positions, HEAD_DIM]);
        let values = clamped(linear(x, &layer.value)).reshape([count, positions, HEAD_DIM]);
        let (keys, values) = (self.with_block_before(keys), self.with_block_before(values));

        let per_head = |scalars: &Tracked<B, 2>| scalars.clone().reshape([1, heads, 1, 1]);
        let scores = queries
            .matmul(keys.swap_dims(1, 2))
            .reshape([all, heads, block, 2 * block])
            * per_head(&layer.gains);
        let sinks = per_head(&layer.sinks).expand([all, heads, block, 1]);
        let whole_scores = scores.clone().inner().floor() + batch.bias.clone();
        let largest = whole_scores.clone().max_dim(3).max_pair(sinks.clone().inner());
        let weights = weigh(scores, whole_scores - largest.clone());
        let below = sinks.clone().inner() - largest;
        let total = weigh(sinks, below) + weights.clone().sum_dim(3);
        let sums = weights
            .reshape([all, heads * block, 2 * block])
            .matmul(values)
            .reshape([all, heads, block, HEAD_DIM]);
        let outputs = sums * power(bits_of_outputs()) / total;
        given(outputs.clone(), round(outputs.inner()), |gradient| gradient)
            .reshape([count, blocks, heads, block, HEAD_DIM])
            .swap_dims(2, 3)
            .reshape([count * positions, heads * HEAD_DIM])
    }

    /// Each block of vectors after the block before it: `[sequences * blocks, 2 * block, 64]`.
    fn with_block_before(&self, vectors: Tracked<B, 3>) -> Tracked<B, 3> {
        let Shape { block, blocks } = self.shape;
        let [count, positions, width] = vectors.dims();
        let none = Tensor::zeros([count, block, width], &self.device);
        let before = Tensor::cat(vec![none, vectors.clone()], 1).slice([0..count, 0..positions, 0..width]);
        let in_blocks = |vectors: Tracked<B, 3>| vectors.reshape([count * blocks, block, width]);
        Tensor::cat(vec![in_blocks(before), in_blocks(vectors)], 1)
    }

    /// Vectors turned by their positions' angles.
    fn turned(&self, vectors: Tracked<B, 4>) -> Tracked<B, 4> {
        let (cos, sin) = (self.cos.clone(), self.sin.clone());
        let value = turn(vectors.clone().inner(), cos.clone(), sin.clone());
        given(vectors, saturated(round(value)), move |gradient| {
            turn(gradient, cos.clone(), -sin.clone())
        })
    }
}

/// By how many bits outputs of attention are finer than values.
fn bits_of_outputs() -> i32 {
    (bits::ATTENDED - bits::ACTIVATION) as i32
}

/// The residual before the first layer; rows after the sequence's end stay zero.
fn embed(layout: &Layout, floats: &[f32], sequence: &Sequence<'_>, rows: &mut [f32]) {
    let unit = power(bits::RESIDUAL as i32);
    let row = |tensor: &Place, row: usize| &floats[tensor.range()][row * tensor.cols..][..tensor.cols];
    let count = sequence.len();
    let rows = rows.chunks_exact_mut(layout.config.d_model).take(count);
    for (index, out) in rows.enumerate() {
        let token = sequence.tokens[index] as usize;
        for (out, &x) in out.iter_mut().zip(row(&layout.embedding, token)) {
            *out = x * unit;
        }
        if let Some(bucket) = sequence.bucket(&layout.config, index) {
            for (out, &x) in out.iter_mut().zip(row(&layout.bigram, bucket)) {
                *out = (*out + x * unit).clamp(f32::from(i16::MIN), f32::from(i16::MAX));
            }
        }
    }
}

/// The numbers of a tensor, in order.
fn floats_of<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// The products of rows with a matrix's rows.
fn linear<B: Backend>(x: Tracked<B, 2>, matrix: &Tracked<B, 2>) -> Tracked<B, 2> {
    x.matmul(matrix.clone().transpose())
}

/// The nearest integer, the larger of two, as the integer net rounds.
fn round<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    (x + 0.5).floor()
}

/// Clamped to 16 bits.
fn saturated<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    x.clamp(f32::from(i16::MIN), f32::from(i16::MAX))
}

/// Numbers of 16 bits. Gradients pass as if there were no clamp either, since it hardly ever acts.
fn int16<B: Backend, const D: usize>(x: Tracked<B, D>) -> Tracked<B, D> {
    let value = saturated(round(x.clone().inner()));
    given(x, value, |gradient| gradient)
}

/// The sum of the residual and what a sublayer adds.
fn added<B: Backend>(residual: Tracked<B, 2>, more: Tracked<B, 2>) -> Tracked<B, 2> {
    int16(residual + more)
}

/// Numbers from -127 to 127; nothing comes back through those that were clamped.
fn clamped<B: Backend, const D: usize>(x: Tracked<B, D>) -> Tracked<B, D> {
    let value = int8(round(x.clone().inner()));
    given(x, value.clone(), move |gradient| unclamped(gradient, &value))
}

fn int8<B: Backend, const D: usize>(x: Tensor<B, D>) -> Tensor<B, D> {
    x.clamp(-127.0, 127.0)
}

/// The gradients of what was not clamped to int8.
fn unclamped<B: Backend, const D: usize>(gradient: Tensor<B, D>, value: &Tensor<B, D>) -> Tensor<B, D> {
    gradient.mask_fill(value.clone().abs().greater_elem(126.5), 0.0)
}

/// Rows with a root mean square of 1, in this many fraction bits.
fn norm<B: Backend, const D: usize>(x: Tracked<B, D>, bits: u32) -> Tracked<B, D> {
    let unit = power(bits as i32);
    let inner = x.clone().inner();
    let width = inner.dims()[D - 1];
    let mean = (inner.clone() * inner.clone()).mean_dim(D - 1);
    // Rows of zeros count as if they had a one.
    let factor = mean.clamp_min(1.0 / width as f32).sqrt().recip() * unit;
    let value = int8(round(inner * factor.clone()));
    given(x, value.clone(), move |gradient| {
        let gradient = unclamped(gradient, &value);
        let mean = (gradient.clone() * value.clone()).mean_dim(D - 1) * (1.0 / (unit * unit));
        (gradient - value.clone() * mean) * factor.clone()
    })
}

/// The squares of what is positive.
fn squares<B: Backend>(x: Tracked<B, 2>) -> Tracked<B, 2> {
    let scale = power(-(SQUARE_SHIFT as i32));
    let positive = x.clone().inner().clamp_min(0.0);
    let value = saturated(round(positive.clone() * positive.clone() * scale));
    given(x, value, move |gradient| {
        gradient * positive.clone() * (2.0 * scale)
    })
}

/// Pairs of elements turned by angles.
fn turn<B: Backend>(x: Tensor<B, 4>, cos: Tensor<B, 4>, sin: Tensor<B, 4>) -> Tensor<B, 4> {
    let [a, b, c, width] = x.dims();
    let low = x.clone().slice([0..a, 0..b, 0..c, 0..width / 2]);
    let high = x.slice([0..a, 0..b, 0..c, width / 2..width]);
    let turned = low.clone() * cos.clone() - high.clone() * sin.clone();
    Tensor::cat(vec![turned, low * sin + high * cos], 3)
}

/// The weights of scores, from how many 1/256 octaves each lies below the largest.
fn weigh<B: Backend>(scores: Tracked<B, 4>, below: Tensor<B, 4>) -> Tracked<B, 4> {
    let octaves = std::f32::consts::LN_2 * power(-(bits::LOGIT as i32));
    // Nine octaves below the largest a weight would be half a unit, and is none.
    let value = ((below * octaves).exp() * 256.0 + 0.4999)
        .floor()
        .clamp_max(255.0);
    given(scores, value.clone(), move |gradient| {
        gradient * value.clone() * octaves
    })
}

/// The bits of each prediction that counts, or 0.
fn costs<B: Backend>(logits: Tracked<B, 2>, batch: &Batch<B>) -> Tracked<B, 2> {
    let octave = power(-(bits::LOGIT as i32));
    let inner = logits.clone().inner();
    let below = (inner.clone() - inner.max_dim(1)) * octave;
    let powers = (below.clone() * std::f32::consts::LN_2).exp();
    let total = powers.clone().sum_dim(1);
    let targets = || batch.targets.clone();
    let value = total.clone().log() * std::f32::consts::LOG2_E - below.gather(1, targets());
    let truth = Tensor::ones_like(&total) * -1.0;
    let slope = (powers / total).scatter(1, targets(), truth, IndexingUpdateOp::Add)
        * (batch.counted.clone() * octave);
    given(logits, value * batch.counted.clone(), move |gradient| {
        slope.clone() * gradient
    })
}

/// From the gradients of a result to those of what it was made of.
struct Back<B: Backend, const D: usize>(Arc<dyn Fn(Tensor<B, D>) -> Tensor<B, D> + Send + Sync>);

impl<B: Backend, const D: usize> Clone for Back<B, D> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: Backend, const D: usize> fmt::Debug for Back<B, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Back")
    }
}

#[derive(Debug)]
struct Given<const D: usize>;

impl<B: Backend, const D: usize> Backward<B, 1> for Given<D> {
    type State = Back<B, D>;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let Back(back) = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |gradient| {
            let gradient = Tensor::from_primitive(TensorPrimitive::Float(gradient));
            back(gradient).into_primitive().tensor()
        });
    }
}

/// `value`, computed from `x`, with gradients that come back in the given way.
fn given<B: Backend, const D: usize>(
    x: Tracked<B, D>,
    value: Tensor<B, D>,
    back: impl Fn(Tensor<B, D>) -> Tensor<B, D> + Send + Sync + 'static,
) -> Tracked<B, D> {
    let x = x.into_primitive().tensor();
    let value = value.into_primitive().tensor();
    let prepared = Given::<D>.prepare::<NoCheckpointing>([x.node.clone()]);
    let output = match prepared.compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(Back(Arc::new(back)), value),
        OpsKind::UnTracked(prepared) => prepared.finish(value),
    };
    Tensor::from_primitive(TensorPrimitive::Float(output))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::graph::tests::{parameters, tiny};
    use crate::graph::{self, Numerics, Workspace};
    use crate::parameters::{Kind, Random};
    use crate::stream::Stream;
    use crate::trainer::{Hyperparameters, Trainer};

    /// The GPU of this machine. Without one there is nothing to test, unless one is required.
    fn gpu() -> Option<Gpu> {
        match Gpu::open() {
            Ok(gpu) => Some(gpu),
            Err(error) if std::env::var_os("CZIP_REQUIRE_GPU").is_some() => panic!("{error}"),
            Err(error) => {
                eprintln!("not tested: {error}");
                None
            }
        }
    }

    /// Some tokens, some of them repeated, in one document that has begun and another.
    struct Text {
        tokens: Vec<u32>,
        starts: Vec<u32>,
        counted: Vec<bool>,
    }

    impl Text {
        fn new(len: usize, second: usize, random: &mut Random) -> Self {
            let mut tokens: Vec<u32> = (0..=len).map(|_| random.below(300) as u32).collect();
            tokens.copy_within(0..len / 3, len / 2);
            let start = |position| if position < second { 0 } else { second as u32 };
            Self {
                tokens,
                starts: (0..len).map(start).collect(),
                counted: (0..len)
                    .map(|position| position > 3 && position + 1 != second)
                    .collect(),
            }
        }

        fn sequence(&self) -> Sequence<'_> {
            Sequence {
                tokens: &self.tokens,
                starts: &self.starts,
                counted: &self.counted,
            }
        }
    }

    #[test]
    fn cost_and_gradients_are_those_of_the_integers() {
        let Some(gpu) = gpu() else { return };
        let one_block = Config {
            window: 500,
            bigram_buckets: 0,
            ..tiny()
        };
        for config in [tiny(), one_block] {
            check(&gpu, &config);
        }
    }

    fn check(gpu: &Gpu, config: &Config) {
        let layout = Layout::new(config);
        let mut random = Random(5);
        let parameters = parameters(&layout, &mut random);
        // The last sequences of a text are shorter.
        let texts = [(128, 50), (100, 0), (128, 127), (30, 7)];
        let texts = texts.map(|(len, second)| Text::new(len, second, &mut random));
        let sequences: Vec<Sequence<'_>> = texts.iter().map(Text::sequence).collect();

        let net = graph::Net::new(&layout, &parameters, 128, Numerics::Integers);
        let (mut workspace, mut expected) = (Workspace::default(), vec![0.0; layout.len()]);
        let mut loss = Loss::default();
        for sequence in &sequences {
            loss += net.backward(sequence, &mut workspace, &mut expected);
        }
        // They are added to what is there.
        let mut found = vec![1.0; layout.len()];
        let found_loss = gpu.backward(&layout, &parameters, &sequences, &mut found);
        found.iter_mut().for_each(|x| *x -= 1.0);

        assert_eq!(found_loss.tokens, loss.tokens);
        let part = (found_loss.bits / loss.bits - 1.0).abs();
        println!("cost: {} and {}, off by {part:.1e}", loss.bits, found_loss.bits);
        // Factors of norms are 2^-12 off in integers, which tips a rounding now and then. In so small a net each counts.
        assert!(part < 2e-3, "{} and {}", loss.bits, found_loss.bits);
        for tensor in layout.tensors().filter(|tensor| !tensor.range().is_empty()) {
            let (a, b) = (&expected[tensor.range()], &found[tensor.range()]);
            let product = |a: &[f32], b: &[f32]| -> f64 {
                let products = a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b));
                products.sum()
            };
            let (aa, bb) = (product(a, a).sqrt(), product(b, b).sqrt());
            let cosine = product(a, b) / (aa * bb);
            println!("{}: cosine {cosine:.5}, norms {aa:.4} and {bb:.4}", tensor.name);
            assert!(cosine > 0.99, "{}: cosine {cosine}", tensor.name);
            // The scalars' are sums of terms that nearly cancel.
            let most = if tensor.kind == Kind::Scalars { 0.15 } else { 0.01 };
            assert!((bb / aa - 1.0).abs() < most, "{}: {aa} and {bb}", tensor.name);
        }
    }

    #[test]
    fn steps_lower_the_cost() {
        let Some(gpu) = gpu() else { return };
        let mut random = Random(1);
        let mut stream = Stream::default();
        for _ in 0..200 {
            let from = random.below(250) as u32;
            stream.tokens.push(stream.start_token);
            stream.tokens.extend((1..30).map(|i| from + i));
        }
        let hyperparameters = Hyperparameters {
            sequence_len: 96,
            batch_size: 4,
            ..Hyperparameters::default()
        };
        let run = |device: Device| {
            let mut trainer = Trainer::new(&tiny(), hyperparameters).on(device);
            let costs = [0; 12].map(|_| {
                let loss = trainer.step(&stream, 0.5);
                loss.bits / loss.tokens as f64
            });
            let parameters = trainer.parameters().to_vec();
            let after = trainer.evaluate(&stream, &parameters);
            (costs, after.bits / after.tokens as f64)
        };
        let (on_cpu, on_gpu) = (run(Device::cpu()), run(Device { gpu: Some(gpu) }));
        println!("{on_cpu:.3?}\n{on_gpu:.3?}");
        assert!(on_gpu.1 < 0.9 * on_gpu.0[0], "{on_gpu:?}");
        assert!((on_gpu.1 / on_cpu.1 - 1.0).abs() < 0.05, "{on_cpu:?} {on_gpu:?}");
    }
}
