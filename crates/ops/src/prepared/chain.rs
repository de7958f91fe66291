use std::sync::OnceLock;

use candle_core::{Result, bail};

use super::operator::Prepared;
use crate::{
    cpu::{parallel, scratch},
    sizes::check_memory,
};

/// The number of bytes that an operator may read and write for one piece of the batch: half to three quarters of a
/// core's second-level cache.
const PIECE_BYTES: usize = 384 << 10;

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
/// [`Prepared::working_set`]).
pub struct Chain<'a> {
    segments: Vec<Segment<'a>>,
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
        set_channels_last(parts.iter_mut().collect(), [false; 2]);
        let mut segments: Vec<Segment> = Vec::new();
        for part in parts {
            let piece = (PIECE_BYTES / size_of::<f32>() / part.working_set().max(1)).clamp(1, MAX_PIECE);
            let splits = !part.prefers_whole_batch();
            match segments.last_mut() {
                Some(last) if splits && last.fits(piece) => {
                    last.piece = last.piece.map(|other| other.min(piece));
                    last.parts.push(part);
                }
                _ => segments.push(Segment { parts: vec![part], piece: splits.then_some(piece) }),
            }
        }
        Ok(Self { segments })
    }
}

impl Prepared for Chain<'_> {
    fn sizes(&self) -> [usize; 2] {
        sizes(&self.segments)
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let batch = self.batch(x, y)?;
        let mut run = || run_in_order(&self.segments, batch, x, y);
        let flops = batch.saturating_mul(self.flops());
        if batch > 1 {
            parallel::keep_some_threads_awake(flops / MIN_SHARED_FLOPS, run)
        } else if self.divides_input() {
            parallel::keep_some_threads_awake(flops / FLOPS_PER_THREAD, run)
        } else {
            run()
        }
    }

    /// Returns `true`: a chain splits its batch itself.
    fn prefers_whole_batch(&self) -> bool {
        true
    }

    fn working_set(&self) -> usize {
        self.segments.iter().flat_map(|segment| &segment.parts).map(|part| part.working_set()).max().unwrap_or(0)
    }

    fn flops(&self) -> usize {
        self.segments.iter().fold(0, |sum, segment| sum.saturating_add(segment.flops()))
    }

    fn divides_input(&self) -> bool {
        self.segments.iter().any(|segment| segment.parts.iter().any(|part| part.divides_input()))
    }

    fn is_identity(&self) -> bool {
        self.segments.iter().all(|segment| segment.parts.iter().all(|part| part.is_identity()))
    }

    fn can_be_channels_last(&self) -> [bool; 2] {
        let parts = || self.segments.iter().flat_map(|segment| &segment.parts);
        let [first, last] = [parts().next(), parts().last()].map(|part| part.map(|part| part.can_be_channels_last()));
        [first.is_some_and(|[input, _]| input), last.is_some_and(|[_, result]| result)]
    }

    fn set_channels_last(&mut self, sides: [bool; 2]) {
        set_channels_last(self.segments.iter_mut().flat_map(|segment| &mut segment.parts).collect(), sides);
    }
}

/// Neighbouring operators of a chain that split the batch into the same pieces.
struct Segment<'a> {
    parts: Vec<Box<dyn Prepared + 'a>>,
    /// The largest number of inputs in a piece; `None` if the batch is not split.
    piece: Option<usize>,
}

impl Segment<'_> {
    /// Returns whether the segment can take an operator whose own pieces would have this size.
    fn fits(&self, piece: usize) -> bool {
        self.piece.is_some_and(|own| own < 4 * piece && piece < 4 * own)
    }
}

impl Prepared for Segment<'_> {
    fn sizes(&self) -> [usize; 2] {
        sizes(&self.parts)
    }

    fn run(&self, x: &[f32], y: &mut [f32]) -> Result<()> {
        let ([inputs, outputs], batch) = (self.sizes(), self.batch(x, y)?);
        // Every thread should get at least one piece.
        let most = batch.div_ceil(parallel::threads()).max(1);
        let piece = self.piece.map_or(batch.max(1), |piece| piece.min(most));
        let failed = OnceLock::new();
        let flops = batch.saturating_mul(self.flops());
        if batch > 1 && flops < MIN_SHARED_FLOPS {
            return parallel::on_this_thread(|| run_in_order(&self.parts, batch, x, y));
        }
        parallel::chunks(y, piece * outputs, flops, |i, y| {
            let count = y.len() / outputs;
            let x = &x[i * piece * inputs..][..count * inputs];
            if let Err(error) = run_in_order(&self.parts, count, x, y) {
                let _ = failed.set(error);
            }
        });
        failed.into_inner().map_or(Ok(()), Err)
    }

    fn flops(&self) -> usize {
        self.parts.iter().fold(0, |sum, part| sum.saturating_add(part.flops()))
    }
}

/// Makes the feature maps between neighbours channels last where both can do so. `outer` says it of the input of the first
/// and the result of the last.
fn set_channels_last<'a>(parts: Vec<&mut Box<dyn Prepared + 'a>>, outer: [bool; 2]) {
    let can: Vec<_> = parts.iter().map(|part| part.can_be_channels_last()).collect();
    let between = |i: usize| can[i - 1][1] && can[i][0];
    let last = parts.len() - 1;
    for (i, part) in parts.into_iter().enumerate() {
        let input = if i == 0 { outer[0] } else { between(i) };
        let result = if i == last { outer[1] } else { between(i + 1) };
        part.set_channels_last([input, result]);
    }
}

/// Returns the sizes of the first input and of the last result.
fn sizes(parts: &[impl Prepared]) -> [usize; 2] {
    [parts[0].sizes()[0], parts[parts.len() - 1].sizes()[1]]
}

/// Runs operators one after the other on `count` inputs.
fn run_in_order(parts: &[impl Prepared], count: usize, x: &[f32], y: &mut [f32]) -> Result<()> {
    let [first, middle @ .., last] = parts else { return parts[0].run(x, y) };
    let largest = parts.iter().map(|part| part.sizes()[0]).max().unwrap_or(0);
    check_memory("chain: an intermediate result", &[count, largest])?;
    let most = count * largest;
    scratch::with([most; 2], |[mut from, mut to]| {
        first.run(x, &mut from[..count * first.sizes()[1]])?;
        for part in middle {
            let [inputs, outputs] = part.sizes();
            part.run(&from[..count * inputs], &mut to[..count * outputs])?;
            std::mem::swap(&mut from, &mut to);
        }
        last.run(&from[..count * last.sizes()[0]], y)
    })
}
