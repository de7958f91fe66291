//! Which instruction set the kernels use: the best at hand, or what the environment variable `OPS_ISA` says
//! (`portable`, `avx2`), so that all of them can be tested on one machine.

use pulp::Arch;
use std::sync::OnceLock;

pub fn arch() -> Arch {
    static ARCH: OnceLock<Arch> = OnceLock::new();
    *ARCH.get_or_init(|| match std::env::var("OPS_ISA").as_deref() {
        Ok("portable") => Arch::Scalar,
        #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
        Ok("avx2") => pulp::x86::V3::try_new().map_or(Arch::Scalar, Arch::V3),
        _ => Arch::new(),
    })
}

/// Defines a function whose body is compiled for each instruction set and runs on the one in use. (A closure given to
/// `Arch::dispatch` would not do: where it is not inlined it is compiled for none of them.)
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
