//! The computer and the program that a record is made with.

use records::{Cpu, Versions};

/// The versions of this program and of the dependencies that decide its results.
pub fn versions() -> Versions {
    Versions {
        experiments: env!("CARGO_PKG_VERSION").into(),
        candle: env!("CANDLE_VERSION").into(),
        gemm: env!("GEMM_VERSION").into(),
    }
}

/// The number of cores that this process may use.
pub fn available_cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The processor, the instruction set that the kernels use, and the sizes of the data caches.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
pub fn cpu() -> Cpu {
    use raw_cpuid::{CacheType, CpuId};
    let cpuid = CpuId::new();
    let model = cpuid.get_processor_brand_string().map(|brand| brand.as_str().trim().to_string());
    let mut caches: Vec<(u8, u64)> = cpuid
        .get_cache_parameters()
        .into_iter()
        .flatten()
        .filter(|cache| matches!(cache.cache_type(), CacheType::Data | CacheType::Unified))
        .map(|cache| {
            let lines = cache.sets() * cache.associativity() * cache.physical_line_partitions();
            (cache.level(), (lines * cache.coherency_line_size()) as u64 / 1024)
        })
        .collect();
    caches.sort_unstable();
    Cpu {
        model: model.unwrap_or_else(|| "unknown x86".into()),
        instruction_set: ops::instruction_set().into(),
        cache_kib: caches.into_iter().map(|(_, size)| size).collect(),
    }
}

/// The architecture and the instruction set that the kernels use.
#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
pub fn cpu() -> Cpu {
    Cpu { model: std::env::consts::ARCH.into(), instruction_set: ops::instruction_set().into(), cache_kib: Vec::new() }
}
