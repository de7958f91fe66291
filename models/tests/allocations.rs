//! On one thread, a prepared network allocates nothing for an image after the first. The test is alone in its program, because
//! it replaces the allocator.

use candle_core::{DType, Device, Result};
use candle_nn::{VarBuilder, VarMap};
use models::ModelName;
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

/// The allocator of the system, which counts the allocations of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: all calls are passed on to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        // SAFETY: the caller keeps the promises that the allocator of the system demands.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises that the allocator of the system demands.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn the_second_call_allocates_nothing() -> Result<()> {
    // Among several threads, handing over a part of an image allocates.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for model in ["two-conv", "lenet5", "vgg-small", "nin@0.25", "resnet8", "resnet20", "mobilenet-v1@0.25"] {
        let variables = VarMap::new();
        let vb = VarBuilder::from_varmap(&variables, DType::F32, &Device::Cpu);
        let name: ModelName = model.parse().unwrap();
        let config = name.config().unwrap();
        let net = name.architecture().build(&config, vb)?;
        let mut prepared = net.prepare(&config.input)?;
        let image = vec![0.5; config.input.iter().product()];
        let mut allocations = || {
            pool.install(|| {
                let start = ALLOCATIONS.get();
                prepared.logits(1, &image).map(|_| ALLOCATIONS.get() - start)
            })
        };
        assert!(allocations()? > 0, "{model}: the count works");
        assert_eq!(allocations()?, 0, "{model}");
    }
    Ok(())
}
