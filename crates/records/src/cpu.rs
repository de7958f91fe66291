use serde::{Deserialize, Serialize};

/// The processor. Of these fields only the instruction set decides the bits of a result: with the same one, the same build
/// gives the same weights on every processor. Model and caches tell how fast it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cpu {
    /// The name of the model.
    pub model: String,
    /// The instruction set that the kernels use.
    pub instruction_set: String,
    /// The sizes of the data caches from level 1 upwards, in KiB; empty if they are not known.
    pub cache_kib: Vec<u64>,
}

impl Cpu {
    /// Describes the processor of this computer.
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    pub fn detect(instruction_set: &str) -> Self {
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
            instruction_set: instruction_set.into(),
            cache_kib: caches.into_iter().map(|(_, size)| size).collect(),
        }
    }

    /// Describes the processor of this computer: the architecture, as its model and caches are unknown.
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64")))]
    pub fn detect(instruction_set: &str) -> Self {
        Self { model: std::env::consts::ARCH.into(), instruction_set: instruction_set.into(), cache_kib: Vec::new() }
    }
}
