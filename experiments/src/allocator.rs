//! The allocator of this program, and of peers that are compared with it.

use libmimalloc_sys::{mi_option_set, mi_option_t, mi_option_use_numa_nodes};

/// A training step allocates and frees the same large buffers again and again. The system's allocator returns them to the
/// kernel each time, and every page of the next step causes a page fault.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, which the bindings do not define. In the header it precedes
/// `mi_option_use_numa_nodes`, and Cargo.toml pins the bindings to the version in which this was checked.
const PURGE_DELAY: mi_option_t = 15;
const _: () = assert!(PURGE_DELAY + 1 == mi_option_use_numa_nodes);

/// Never returns freed memory to the kernel: programs that `bench` compares take turns of several seconds.
pub fn keep_memory() {
    // SAFETY: the option exists, see above, and may be set at any time.
    unsafe { mi_option_set(PURGE_DELAY, -1) };
}
