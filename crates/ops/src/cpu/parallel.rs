//! Parallel loops over the chunks of a buffer, on the current rayon pool if there is enough work. The chunks do not
//! depend on the number of threads.

use std::{
    cell::Cell,
    mem::MaybeUninit,
    sync::{Mutex, PoisonError},
};

use super::{awake_pool, recorder};

/// The number of floating-point operations below which handing work to other threads costs more than it saves.
const MIN_PARALLEL_FLOPS: usize = 1 << 18;

/// The same for threads that are awake.
const MIN_AWAKE_FLOPS: usize = 1 << 16;

/// Runs `f(i, chunk)` on every chunk of `len` values of `out`. `flops` is an estimate of the floating-point operations
/// of all chunks together.
pub fn chunks<A: Send>(out: &mut [A], len: usize, flops: usize, f: impl Fn(usize, &mut [A]) + Sync + Send) {
    let len = len.max(1);
    let mut nothing = vec![(); out.len().div_ceil(len)];
    chunks_zip((out, len), (&mut nothing, 1), flops, |i, chunk, _| f(i, chunk));
}

/// Runs `f` as [`chunks`] does, over two buffers that have the same number of chunks.
pub fn chunks_zip<A: Send, B: Send>(
    a: (&mut [A], usize),
    b: (&mut [B], usize),
    flops: usize,
    f: impl Fn(usize, &mut [A], &mut [B]) + Sync + Send,
) {
    divide(a, b, flops, &f);
}

/// The body of a loop over the chunks of two buffers. It gets the index of the chunks and both of them.
type OnChunks<'f, A, B> = dyn Fn(usize, &mut [A], &mut [B]) + Sync + 'f;

/// Does what [`chunks_zip`] does. It is compiled once for each type of values, not once for each kernel.
fn divide<A: Send, B: Send>(
    (a, len_a): (&mut [A], usize),
    (b, len_b): (&mut [B], usize),
    flops: usize,
    f: &OnChunks<A, B>,
) {
    assert_eq!(a.len().div_ceil(len_a), b.len().div_ceil(len_b));
    let chunks = a.chunks_mut(len_a).zip(b.chunks_mut(len_b)).enumerate();
    if chunks.len() > 1 && flops >= least_flops() && has_other_threads() {
        share(chunks, |(i, (a, b))| f(i, a, b));
    } else {
        chunks.for_each(|(i, (a, b))| f(i, a, b));
    }
}

/// Returns the number of floating-point operations below which a loop stays on its thread.
fn least_flops() -> usize {
    if are_threads_awake() { MIN_AWAKE_FLOPS } else { MIN_PARALLEL_FLOPS }
}

/// Runs `f` on every task, in parallel if there is more than one.
pub fn tasks<T: Send>(tasks: Vec<T>, f: impl Fn(T) + Sync) {
    share(tasks.into_iter(), f);
}

/// Runs `f` on all tasks. Each thread takes one as soon as it is free: the calling one from the front, the others from the back.
/// What two threads wrote in one loop, they find in their own caches in the next one.
fn share<T>(tasks: impl DoubleEndedIterator<Item = T> + ExactSizeIterator + Send, f: impl Fn(T) + Sync) {
    let (threads, caller) = (threads().min(tasks.len()), rayon::current_thread_index());
    let tasks = Mutex::new(tasks);
    // The lock is free while a task runs, so that a panic does not poison it.
    let next = || {
        let mut tasks = tasks.lock().unwrap_or_else(PoisonError::into_inner);
        if rayon::current_thread_index() == caller { tasks.next() } else { tasks.next_back() }
    };
    let run_next = || next().map(|task| on_this_thread(|| f(task))).is_some();
    if recorder::threads().is_some() {
        recorder::run(&run_next);
    } else {
        awake_pool::share(threads, &run_next);
    }
}

thread_local! {
    static IN_TASK: Cell<bool> = const { Cell::new(false) };
}

/// Returns the number of threads that a parallel loop divides its work for.
pub fn threads() -> usize {
    recorder::threads().or_else(awake_pool::threads).unwrap_or_else(rayon::current_num_threads)
}

/// Returns whether a parallel loop would share its work with other threads, if there is enough.
pub fn has_other_threads() -> bool {
    !IN_TASK.get() && threads() > 1
}

/// Runs `f` while the threads of the current rayon pool stay awake and wait for work, which `f` gives them often and in small
/// portions.
///
/// rayon's threads fall asleep a few microseconds after their last task, and waking one takes longer than a layer of a small
/// network. A prepared [`Chain`](crate::prepared::Chain) keeps them awake by itself while it computes a single input; wrap a
/// step of training in this function, from the forward pass to the update of the weights. The results do not depend on it.
/// The threads use their cores all the while, so it is of no use for a computation on another device, and loading the next
/// batch does not belong into `f`. Other users of the pool may have to wait until `f` has ended.
///
/// Candle divides operations on 65,536 values and more, such as sums of gradients, among threads of its own. They spin for about
/// a millisecond after each, on cores that `f` needs: set the environment variable `CANDLE_NUM_THREADS` to 1 when the program
/// starts, or `CANDLE_BARRIER_POOL_SPIN_LIMIT` to 0.
///
/// # Examples
/// ```
/// use candle_core::{Device, Result, Tensor, Var};
///
/// # fn main() -> Result<()> {
/// let weight = Var::zeros((10, 64), candle_core::DType::F32, &Device::Cpu)?;
/// let (xs, classes) = (Tensor::ones((32, 64), candle_core::DType::F32, &Device::Cpu)?, Tensor::zeros(32, candle_core::DType::U32, &Device::Cpu)?);
/// let gradients = ops::keep_threads_awake(|| {
///     let loss = ops::cross_entropy(&ops::linear(&xs, &weight, None)?, &classes)?;
///     ops::backward(&loss)
/// })?;
/// assert_eq!(gradients.get(&weight).unwrap().dims(), [10, 64]);
/// # Ok(())
/// # }
/// ```
pub fn keep_threads_awake<R>(f: impl FnOnce() -> R) -> R {
    keep_some_threads_awake(usize::MAX, f)
}

/// Does the same as [`keep_threads_awake`] for at most `most` threads, the calling one among them.
pub fn keep_some_threads_awake<R>(most: usize, f: impl FnOnce() -> R) -> R {
    let shares = most > 1 && has_other_threads() && recorder::threads().is_none();
    if shares { awake_pool::run(threads().min(most), f) } else { f() }
}

/// Returns whether a loop finds other threads awake.
pub fn are_threads_awake() -> bool {
    awake_pool::threads().is_some() || recorder::threads().is_some()
}

/// Returns the number of parts into which a loop on this thread should divide its work.
pub fn parts() -> usize {
    if has_other_threads() { threads() } else { 1 }
}

/// Runs `f` as if it were a parallel task: loops inside it stay on this thread.
pub fn on_this_thread<R>(f: impl FnOnce() -> R) -> R {
    let _task = Task::start();
    f()
}

/// Marks its thread as running a parallel task. Loops inside the task stay on the thread: all others are busy with
/// their own tasks.
struct Task {
    /// True if the thread was running one already.
    within: bool,
}

impl Task {
    fn start() -> Self {
        Self { within: IN_TASK.replace(true) }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        IN_TASK.set(self.within);
    }
}

/// Creates a buffer of `total` values whose chunks of `len` values `f` writes in parallel. `flops` is as for [`chunks`].
///
/// The memory is not set to zero in a pass before. `f` takes its chunk piece by piece, and each piece is zeroed when it
/// is taken, so that it is still in the cache when `f` writes to it.
pub fn filled(total: usize, len: usize, flops: usize, f: impl Fn(usize, Unwritten<f32>) + Sync + Send) -> Vec<f32> {
    let len = len.max(1);
    filled_pair((total, len), (total.div_ceil(len), 1), flops, |i, chunk, _: Unwritten<()>| f(i, chunk)).0
}

/// Creates two buffers as [`filled`] does, of the given lengths and with chunks of the given lengths. They have the same number
/// of chunks.
pub fn filled_pair<A: Copy + Default + Send, B: Copy + Default + Send>(
    (total_a, len_a): (usize, usize),
    (total_b, len_b): (usize, usize),
    flops: usize,
    f: impl Fn(usize, Unwritten<A>, Unwritten<B>) + Sync + Send,
) -> (Vec<A>, Vec<B>) {
    let (mut a, mut b) = (Vec::with_capacity(total_a), Vec::with_capacity(total_b));
    let (of_a, of_b) = (&mut a.spare_capacity_mut()[..total_a], &mut b.spare_capacity_mut()[..total_b]);
    chunks_zip((of_a, len_a), (of_b, len_b), flops, |i, mut a, mut b| {
        f(i, Unwritten { rest: &mut a }, Unwritten { rest: &mut b });
        Unwritten { rest: &mut a }.zeroed();
        Unwritten { rest: &mut b }.zeroed();
    });
    // SAFETY: `chunks_zip` has visited every chunk, or has panicked. What `f` did not take of a chunk was taken after
    // it, and taking initialises.
    unsafe {
        a.set_len(total_a);
        b.set_len(total_b);
    }
    (a, b)
}

/// Creates a matrix of `rows` × `columns` values in row-major order, of which `f` writes blocks of `width` columns in parallel. It
/// gets the number of a block and its part of each row, set to zero. `flops` is as for [`chunks`].
pub fn filled_columns(
    [rows, columns]: [usize; 2],
    width: usize,
    flops: usize,
    f: impl Fn(usize, &mut [&mut [f32]]) + Sync,
) -> Vec<f32> {
    let len = rows.checked_mul(columns).expect("a matrix that fits into memory");
    let mut values = Vec::with_capacity(len);
    let mut blocks: Vec<_> = (0..columns.div_ceil(width.max(1))).map(|_| Vec::with_capacity(rows)).collect();
    for row in values.spare_capacity_mut()[..len].chunks_exact_mut(columns.max(1)) {
        blocks.iter_mut().zip(row.chunks_mut(width)).for_each(|(block, part)| block.push(part));
    }
    chunks(&mut blocks, 1, flops, |i, block| {
        let mut rows: Vec<_> = block.iter_mut().flatten().map(|part| Unwritten { rest: part }.zeroed()).collect();
        f(i, &mut rows);
    });
    drop(blocks);
    // SAFETY: `chunks` has visited every block, or has panicked, and the parts of each row, which are all of it, were zeroed.
    unsafe { values.set_len(len) };
    values
}

/// A chunk of a buffer that is not initialised yet.
pub struct Unwritten<'a, 'b, T> {
    rest: &'a mut &'b mut [MaybeUninit<T>],
}

impl<'b, T: Copy + Default> Unwritten<'_, 'b, T> {
    /// Takes the next `len` values, set to zero.
    pub fn take_zeroed(&mut self, len: usize) -> &'b mut [T] {
        let next = self.take(len);
        next.fill(MaybeUninit::new(T::default()));
        // SAFETY: all values have just been written.
        unsafe { &mut *(next as *mut [MaybeUninit<T>] as *mut [T]) }
    }

    /// Takes the next `len` values, copied from these parts, which have that many together.
    pub fn take_copied<'p>(&mut self, len: usize, parts: impl Iterator<Item = &'p [T]>) -> &'b mut [T]
    where
        T: 'p,
    {
        let (next, mut end) = (self.take(len), 0);
        for part in parts {
            let start = end;
            end += part.len();
            next[start..end].iter_mut().zip(part).for_each(|(to, &from)| _ = to.write(from));
        }
        assert_eq!(end, len);
        // SAFETY: the parts have been written one after the other, from the first value to the last.
        unsafe { &mut *(next as *mut [MaybeUninit<T>] as *mut [T]) }
    }

    /// Takes all that is left, set to zero.
    pub fn zeroed(mut self) -> &'b mut [T] {
        self.take_zeroed(self.rest.len())
    }

    fn take(&mut self, len: usize) -> &'b mut [MaybeUninit<T>] {
        assert!(len <= self.rest.len());
        let (next, rest) = std::mem::take(self.rest).split_at_mut(len);
        *self.rest = rest;
        next
    }
}
