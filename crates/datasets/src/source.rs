//! The pixels behind [`Images`](crate::Images): held in memory, or computed when they are needed.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use crate::error::DatasetError;

/// A function that returns the pixels of the image with this index.
type Compute = dyn Fn(usize) -> Result<Vec<u8>, DatasetError> + Send + Sync;

/// The pixels of some images of one size.
pub enum Source {
    /// All pixels, image by image.
    Held(Vec<u8>),
    /// Pixels that are decoded or drawn on demand.
    Computed { compute: Box<Compute>, cache: Cache },
}

impl Source {
    /// Returns the pixels of image `index`, which are `size` bytes.
    pub fn image(&self, index: usize, size: usize) -> Result<Cow<'_, [u8]>, DatasetError> {
        match self {
            Self::Held(pixels) => Ok(Cow::Borrowed(&pixels[index * size..][..size])),
            Self::Computed { compute, cache } => match cache.get(index) {
                Some(pixels) => Ok(Cow::Borrowed(pixels)),
                // Not inside the cache's lock: another task of the thread pool that waits for the same image would wait
                // for ever. At worst, two threads compute the same pixels.
                None => Ok(cache.keep(index, compute(index)?)),
            },
        }
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Held(pixels) => write!(f, "Held({} bytes)", pixels.len()),
            Self::Computed { cache, .. } => write!(f, "Computed({} images)", cache.slots.len()),
        }
    }
}

/// Computed images, as far as the budget goes. Nothing is evicted: an epoch visits every image once, so exchanging one
/// image for another would gain nothing.
pub struct Cache {
    slots: Vec<OnceLock<Box<[u8]>>>,
    budget: Budget,
    used: AtomicUsize,
}

impl Cache {
    pub fn new(images: usize, budget: Budget) -> Self {
        Self { slots: (0..images).map(|_| OnceLock::new()).collect(), budget, used: AtomicUsize::new(0) }
    }

    fn get(&self, index: usize) -> Option<&[u8]> {
        self.slots[index].get().map(|pixels| &**pixels)
    }

    /// Keeps the pixels of an image if the budget allows.
    pub fn keep(&self, index: usize, pixels: Vec<u8>) -> Cow<'_, [u8]> {
        let (size, slot) = (pixels.len(), &self.slots[index]);
        if slot.get().is_some() || !self.budget.take(size) {
            return Cow::Owned(pixels);
        }
        match slot.set(pixels.into()) {
            Ok(()) => {
                self.used.fetch_add(size, Ordering::Relaxed);
            }
            // Another thread was faster.
            Err(_) => self.budget.give_back(size),
        }
        self.get(index).unwrap_or_default().into()
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.budget.give_back(self.used.load(Ordering::Relaxed));
    }
}

/// A number of bytes that several caches share.
#[derive(Clone, Debug)]
pub struct Budget(Arc<AtomicUsize>);

impl Budget {
    pub fn new(bytes: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(bytes)))
    }

    fn take(&self, bytes: usize) -> bool {
        let rest = |left: usize| left.checked_sub(bytes);
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(budget: &Budget, computed: &Arc<AtomicUsize>) -> Source {
        let computed = computed.clone();
        let compute = move |index: usize| {
            computed.fetch_add(1, Ordering::Relaxed);
            Ok(vec![index as u8; 10])
        };
        Source::Computed { compute: Box::new(compute), cache: Cache::new(5, budget.clone()) }
    }

    #[test]
    fn images_are_kept_as_far_as_the_budget_goes_and_computed_again_beyond() {
        let (budget, computed) = (Budget::new(25), Arc::new(AtomicUsize::new(0)));
        let first = source(&budget, &computed);
        let visit = |source: &Source| {
            let before = computed.load(Ordering::Relaxed);
            for index in 0..5 {
                assert_eq!(*source.image(index, 10).unwrap(), [index as u8; 10]);
            }
            computed.load(Ordering::Relaxed) - before
        };
        assert_eq!([visit(&first), visit(&first)], [5, 3]);
        // The budget is shared until the first source is gone.
        let second = source(&budget, &computed);
        assert_eq!([visit(&second), visit(&second)], [5, 5]);
        drop(first);
        assert_eq!([visit(&second), visit(&second)], [5, 3]);
    }
}
