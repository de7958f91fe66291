//! Which instruction set the kernels use: the best that the CPU supports, or the one that the environment variable
//! `OPS_ISA` names, so that all of them can be tested on one machine and results of another machine can be reproduced.

use std::{io::Write, sync::OnceLock};

use pulp::Arch;

/// Returns the instruction set in use, decided at the first call.
pub fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| {
        let Some(wanted) = std::env::var_os("OPS_ISA") else { return Arch::new() };
        named(&wanted.to_string_lossy()).unwrap_or_else(|| {
            let others = ["avx2", "avx512", "neon"].into_iter().filter(|name| named(name).is_some());
            let available: Vec<&str> = ["portable"].into_iter().chain(others).collect();
            // A closed standard error is no reason to panic.
            let _ = writeln!(
                std::io::stderr(),
                "OPS_ISA: unsupported instruction set `{}`; available on this CPU: {}",
                wanted.display(),
                available.join(", ")
            );
            Arch::new()
        })
    })
}

/// Returns the instruction set in use, or the part of it whose vectors hold at most half a block.
pub fn half_block_arch() -> Arch {
    match arch() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Arch::V4(simd) => Arch::V3(*simd),
        other => other,
    }
}

/// Returns whether a vector of the instruction set in use holds a whole block.
pub fn has_block_vectors() -> bool {
    instruction_set() == "avx512f"
}

/// Returns the name of the instruction set that the CPU kernels use: `avx512f`, `avx2+fma`, `neon` or `portable`.
///
/// It is the best that the CPU supports, unless the environment variable `OPS_ISA` names another: one of these names, or
/// `avx2` or `avx512`.
///
/// The kernels compute the same bits on every CPU with the same instruction set: the order of each sum depends on the
/// sizes of the tensors alone, not on caches, threads or the model of the CPU. Two things lie outside the kernels:
///
/// - The exponentials of losses, `elu` and `softmax` are those of the C library. glibc has variants of them
///   for CPUs with and without FMA, which can differ in the last bit; every CPU with AVX2 and FMA uses the same ones. So
///   equal bits need the same C library, and on `portable` also CPUs that both have FMA or both lack it.
/// - Sums that candle computes, as within `softmax` and `bce_with_logits`, use AVX2 wherever the CPU has it,
///   which matters on `portable` only. The compositions for types other than f32 contain candle's
///   matrix products, whose bits depend on the CPU's instruction sets and caches, whatever `OPS_ISA` says.
pub fn instruction_set() -> &'static str {
    match arch() {
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Arch::V4(_) => "avx512f",
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Arch::V3(_) => "avx2+fma",
        #[cfg(target_arch = "aarch64")]
        Arch::Neon(_) => "neon",
        _ => "portable",
    }
}

/// Returns a token for AVX intrinsics, if the instruction set in use includes AVX.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub fn avx() -> Option<pulp::core_arch::x86::Avx> {
    match arch() {
        Arch::V3(simd) => Some(simd.avx),
        Arch::V4(simd) => Some(simd.avx),
        _ => None,
    }
}

/// Returns the instruction set of this name, if the CPU supports it.
fn named(name: &str) -> Option<Arch> {
    match name {
        "portable" => Some(Arch::Scalar),
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        "avx2" | "avx2+fma" => pulp::x86::V3::try_new().map(Arch::V3),
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        "avx512" | "avx512f" => pulp::x86::V4::try_new().map(Arch::V4),
        #[cfg(target_arch = "aarch64")]
        "neon" => pulp::aarch64::Neon::try_new().map(Arch::Neon),
        _ => None,
    }
}

/// Declares a function whose body is compiled once for each instruction set; a call runs the one in use.
///
/// The body becomes the method of a struct that holds the arguments. A closure given to `Arch::dispatch` would be
/// shorter, but where the compiler does not inline it, it is compiled without vector instructions.
macro_rules! vectorised {
    ($(#[$doc:meta])* $vis:vis fn $name:ident<$life:lifetime>($($arg:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block) => {
        $(#[$doc])*
        #[allow(clippy::too_many_arguments)]
        $vis fn $name<$life>($($arg: $type),*) $(-> $out)? {
            struct Body<$life> {
                $($arg: $type,)*
                _life: std::marker::PhantomData<&$life ()>,
            }
            impl<$life> pulp::NullaryFnOnce for Body<$life> {
                type Output = vectorised!(@out $($out)?);

                #[inline(always)]
                fn call(self) -> Self::Output {
                    let Self { $($arg,)* _life } = self;
                    $body
                }
            }
            crate::cpu::isa::arch().dispatch(Body { $($arg,)* _life: std::marker::PhantomData })
        }
    };
    (@out) => { () };
    (@out $out:ty) => { $out };
}
pub(crate) use vectorised;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instruction_set_is_forced_by_its_name_alone() {
        assert!(matches!(named("portable"), Some(Arch::Scalar)));
        assert!(named("Portable").is_none() && named("").is_none());
        assert!(named(instruction_set()).is_some(), "the name of the instruction set in use is a possible value");
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        {
            assert_eq!(named("avx2").is_some(), is_x86_feature_detected!("avx2"));
            assert_eq!(named("avx512").is_some(), is_x86_feature_detected!("avx512bw"));
        }
    }
}
