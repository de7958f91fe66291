use std::sync::OnceLock;

use candle_core::{Result, bail};

use super::operator::Prepared;
use crate::{
    cpu::{parallel, scratch},
    sizes::check_memory,
};

/// The number of bytes that an operator may read and write for one piece of the batch: half of a second-level cache of 1 MiB.
const PIECE_BYTES: usize = 512 << 10;

/// The number of bytes that a segment of operators may take from the one before and hand to the next for one piece of the batch.
/// They are read and written once, not once for each operator, so that some of them may leave the second-level cache.
const STAGE_BYTES: usize = 1 << 20;

/// The number of floating-point operations below which a batch stays on its thread. Waking another thread takes about as
/// long as this.
pub(super) const MIN_SHARED_FLOPS: usize = 1 << 20;

/// The number of floating-point operations of a single input for each thread that takes part in it.
const FLOPS_PER_THREAD: usize = 1 << 18;

/// The largest number of inputs in a piece; larger pieces are not faster.
const MAX_PIECE: usize = 16;

/// A sequence of prepared operators, which is itself a prepared operator.
///
/// A batch is split into pieces of a few inputs, and each piece goes through several operators before the next piece
/// does, so that intermediate results stay in the cache (see [`Prepared::prefers_whole_batch`] and
/// [`Prepared::working_set`]). Operators with large results split a piece further.
pub struct Chain<'a> {
    /// A stage takes a piece of the batch through all its segments, and each of these splits the piece for its operators.
    stages: Vec<Segment<Segment<Box<dyn Prepared + 'a>>>>,
    /// The largest of the operators'.
    working_set: usize,
}

impl<'a> Chain<'a> {
    /// Chains operators; the result of each is the input of the next.
    ///
    /// # Errors
    /// Fails if there are no operators, or if the sizes of neighbours do not fit each other.
    pub fn new(mut parts: Vec<Box<dyn Prepared + 'a>>) -> Result<Self> {
        if parts.is_empty() {
            bail!("a chain of no operators is not possible; it needs at least one")
        }
        for (i, pair) in parts.windows(2).enumerate() {
            let ([_, given], [taken, _]) = (pair[0].sizes(), pair[1].sizes());
            if given != taken {
                bail!("operator {i} of the chain returns {given} values, but operator {} takes {taken}", i + 1)
            }
        }
        if !parts.iter().all(|part| part.is_identity()) {
            parts.retain(|part| !part.is_identity());
        }
        set_channels_last(&mut parts, [false; 2]);
        let working_set = parts.iter().map(|part| part.working_set()).max().unwrap_or(0);
        // Operators with pieces of about the same size are a segment.
        let segments = join(parts, PIECE_BYTES, |piece, other| piece < 4 * other && other < 4 * piece);
        Ok(Self { stages: join(segments, STAGE_BYTES, |_, _| true), working_set })
    }

    /// Returns the operators in order.
    fn parts(&self) -> impl DoubleEndedIterator<Item = &Box<dyn Prepared + 'a>> + Clone {
        self.stages.iter().flat_map(|stage| &stage.parts).flat_map(|segment| &segment.parts)
    }
}

/// Joins neighbours that split the batch into pieces, whose `bytes` stay in the cache, if the sizes of their pieces fit each
/// other.
fn join<P: Prepared>(parts: Vec<P>, bytes: usize, fit: impl Fn(usize, usize) -> bool) -> Vec<Segment<P>> {
    let mut segments: Vec<Segment<P>> = Vec::new();
    for part in parts {
        let most = (bytes / size_of::<f32>() / part.working_set().max(1)).clamp(1, MAX_PIECE);
        // A power of two, so that larger pieces consist of whole smaller ones.
        let piece = (!part.prefers_whole_batch()).then_some(1 << most.ilog2());
        match (segments.last_mut(), piece) {
            (Some(Segment { parts, piece: Some(own) }), Some(piece)) if fit(*own, piece) => {
                *own = piece.min(*own);
                parts.push(part);
            }
            _ => segments.push(Segment { parts: vec![part], piece }),
        }
    }
    segments
}

impl Prepared for Chain<'_> {
    fn sizes(&self) -> [usize; 2] {
        sizes(&self.stages)
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let batch = self.batch(x, y)?;
        let flops = batch.saturating_mul(self.flops());
        if batch > 1 {
            let run = || run_in_order(self.stages.iter(), batch, x, y);
            return parallel::keep_some_threads_awake(flops / MIN_SHARED_FLOPS, run);
        }
        let threads = if self.divides_input() { flops / FLOPS_PER_THREAD } else { 1 };
        parallel::keep_some_threads_awake(threads, || run_in_order(self.parts(), batch, x, y))
    }

    /// Returns `true`: a chain splits its batch itself.
    fn prefers_whole_batch(&self) -> bool {
        true
    }

    fn working_set(&self) -> usize {
        self.working_set
    }

    fn flops(&self) -> usize {
        flops(&self.stages)
    }

    fn divides_input(&self) -> bool {
        self.stages.iter().any(|stage| stage.divides_input())
    }

    fn is_identity(&self) -> bool {
        self.stages.iter().all(|stage| stage.is_identity())
    }

    fn can_be_channels_last(&self) -> [bool; 2] {
        can_be_channels_last(&self.stages)
    }

    fn set_channels_last(&mut self, sides: [bool; 2]) {
        set_channels_last(&mut self.stages, sides);
    }
}

/// Neighbours in a chain, operators or segments of them, that split the batch into the same pieces.
struct Segment<P> {
    parts: Vec<P>,
    /// The largest number of inputs in a piece; `None` if the batch is not split.
    piece: Option<usize>,
}

impl<P: Prepared> Prepared for Segment<P> {
    fn sizes(&self) -> [usize; 2] {
        sizes(&self.parts)
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let ([inputs, outputs], batch) = (self.sizes(), self.batch(x, y)?);
        // Every thread gets the same number of them.
        let pieces = self.piece.map_or(1, |piece| batch.div_ceil(piece).next_multiple_of(parallel::parts()));
        let piece = batch.div_ceil(pieces.max(1)).max(1);
        let failed = OnceLock::new();
        let flops = batch.saturating_mul(self.flops());
        if batch > 1 && flops < MIN_SHARED_FLOPS {
            return parallel::on_this_thread(|| run_in_order(self.parts.iter(), batch, x, y));
        }
        parallel::chunks(y, piece * outputs, flops, |i, y| {
            let count = y.len() / outputs;
            let x = &x[i * piece * inputs..][..count * inputs];
            if let Err(error) = run_in_order(self.parts.iter(), count, x, y) {
                let _ = failed.set(error);
            }
        });
        failed.into_inner().map_or(Ok(()), Err)
    }

    fn prefers_whole_batch(&self) -> bool {
        self.piece.is_none()
    }

    fn flops(&self) -> usize {
        flops(&self.parts)
    }

    fn divides_input(&self) -> bool {
        self.parts.iter().any(|part| part.divides_input())
    }

    fn is_identity(&self) -> bool {
        self.parts.iter().all(|part| part.is_identity())
    }

    fn can_be_channels_last(&self) -> [bool; 2] {
        can_be_channels_last(&self.parts)
    }

    fn set_channels_last(&mut self, sides: [bool; 2]) {
        set_channels_last(&mut self.parts, sides);
    }
}

/// Makes the feature maps between neighbours channels last where both can do so. `outer` says it of the input of the first
/// and the result of the last.
fn set_channels_last(parts: &mut [impl Prepared], outer: [bool; 2]) {
    let can: Vec<_> = parts.iter().map(|part| part.can_be_channels_last()).collect();
    let between = |i: usize| can[i - 1][1] && can[i][0];
    let last = parts.len() - 1;
    for (i, part) in parts.iter_mut().enumerate() {
        let input = if i == 0 { outer[0] } else { between(i) };
        let result = if i == last { outer[1] } else { between(i + 1) };
        part.set_channels_last([input, result]);
    }
}

/// Returns whether the first operator can take feature maps that are channels last, and whether the last can return them.
fn can_be_channels_last(parts: &[impl Prepared]) -> [bool; 2] {
    [parts[0].can_be_channels_last()[0], parts[parts.len() - 1].can_be_channels_last()[1]]
}

/// Returns the number of floating-point operations of all operators for one input.
fn flops(parts: &[impl Prepared]) -> usize {
    parts.iter().fold(0, |sum, part| sum.saturating_add(part.flops()))
}

/// Returns the sizes of the first input and of the last result.
fn sizes(parts: &[impl Prepared]) -> [usize; 2] {
    [parts[0].sizes()[0], parts[parts.len() - 1].sizes()[1]]
}

/// Runs operators one after the other on `count` inputs.
fn run_in_order<'p, P: Prepared + 'p>(
    mut parts: impl DoubleEndedIterator<Item = &'p P> + Clone,
    count: usize,
    x: &[f32],
    y: &mut [f32],
) -> Result<()> {
    let largest = parts.clone().map(|part| part.sizes()[0]).max().unwrap_or(0);
    let (first, last) = (parts.next(), parts.next_back());
    let Some(last) = last else { return first.map_or(Ok(()), |part| part.run(x, y)) };
    check_memory("chain: an intermediate result", &[count, largest])?;
    let most = count * largest;
    scratch::with([most; 2], |[mut from, mut to]| {
        let mut values = 0;
        for (i, part) in first.into_iter().chain(parts).enumerate() {
            let [inputs, outputs] = part.sizes().map(|size| count * size);
            let x = if i == 0 { x } else { &from[..inputs] };
            part.run(x, &mut to[..outputs])?;
            std::mem::swap(&mut from, &mut to);
            values = outputs;
        }
        last.run(&from[..values], y)
    })
}
