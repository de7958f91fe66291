//! The computer and the program a record was made with.

use serde::{Deserialize, Serialize};

/// The processor. The same seed gives the same weights to the bit on equal ones only: gemm blocks its sums by the
/// instruction set and the sizes of the caches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    pub model: String,
    /// That the kernels use.
    pub instruction_set: String,
    /// Of the data caches, level 1 upwards, in KiB; empty where it is not known.
    pub cache_kib: Vec<u64>,
}

/// The versions that decide a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    pub experiments: String,
    pub candle: String,
    /// The matrix products.
    pub gemm: String,
}

impl Versions {
    pub fn current() -> Self {
        Self { experiments: env!("CARGO_PKG_VERSION").into(), candle: locked("candle-core"), gemm: locked("gemm") }
    }
}

/// The version of a dependency that the program was built with.
fn locked(package: &str) -> String {
    let lock = include_str!("../../Cargo.lock");
    let version =
        lock.split_once(&format!("name = \"{package}\"\nversion = \"")).and_then(|(_, rest)| rest.split('"').next());
    version.unwrap_or("unknown").into()
}

#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
impl Cpu {
    pub fn current() -> Self {
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
        Self {
            model: model.unwrap_or_else(|| "unknown x86".into()),
            instruction_set: ops::instruction_set().into(),
            cache_kib: caches.into_iter().map(|(_, size)| size).collect(),
        }
    }
}

#[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
impl Cpu {
    pub fn current() -> Self {
        Self {
            model: std::env::consts::ARCH.into(),
            instruction_set: ops::instruction_set().into(),
            cache_kib: Vec::new(),
        }
    }
}
