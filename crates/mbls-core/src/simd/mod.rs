//! Code compiled for the vector instructions that a machine may have. Results are bit-identical,
//! except for the loss kernels, which use fused multiply-add where it is available.

mod elementary;
#[cfg(feature = "candle")]
mod real;

#[cfg(target_arch = "x86_64")]
pub(crate) use elementary::avx2;
pub(crate) use elementary::{exp, fused_exp, ln};
#[cfg(feature = "candle")]
pub(crate) use real::Real;

/// The instruction sets that code is compiled for.
#[derive(Clone, Copy)]
pub(crate) enum Machine {
    /// The target's baseline.
    Base,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Machine {
    /// Returns the instruction set of this machine.
    #[inline]
    pub(crate) fn here() -> Self {
        #[cfg(test)]
        if BASE.get() {
            return Self::Base;
        }
        #[cfg(target_arch = "x86_64")]
        {
            static HERE: std::sync::OnceLock<Machine> = std::sync::OnceLock::new();
            *HERE.get_or_init(|| {
                let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
                let avx512 = is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw");
                match (avx2, avx512) {
                    (true, true) => Self::Avx512,
                    (true, false) => Self::Avx2,
                    (false, _) => Self::Base,
                }
            })
        }
        #[cfg(not(target_arch = "x86_64"))]
        Self::Base
    }
}

#[cfg(test)]
thread_local! {
    static BASE: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs `run` on this thread as on a machine of [`Machine::Base`].
#[cfg(test)]
pub(crate) fn on_base<R>(run: impl FnOnce() -> R) -> R {
    BASE.set(true);
    let result = run();
    BASE.set(false);
    result
}

/// Defines a function that runs a body compiled for the widest vectors of this machine.
///
/// The body must be `#[inline(always)]`, so that it is compiled once per instruction set. Keep it
/// small, a loop or two over slices: in a large body the compiler keeps vector accumulators in
/// memory. The optional second body, after `|`, replaces it on machines with fused multiply-add; it
/// may use that instruction, so its results may differ in the last bits.
macro_rules! for_each_machine {
    ($(#[$attribute:meta])* $vis:vis fn $name:ident $(<$($param:ident : $bound:path),+>)? ( $($arg:ident : $type:ty),* $(,)? ) $(-> $result:ty)? => $body:path) => {
        for_each_machine! { $(#[$attribute])* $vis fn $name $(<$($param : $bound),+>)? ($($arg : $type),*) $(-> $result)? => $body | $body }
    };
    ($(#[$attribute:meta])* $vis:vis fn $name:ident $(<$($param:ident : $bound:path),+>)? ( $($arg:ident : $type:ty),* $(,)? ) $(-> $result:ty)? => $body:path | $fma:path) => {
        $(#[$attribute])*
        $vis fn $name $(<$($param: $bound),+>)? ($($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw,avx2,fma")]
            fn avx512 $(<$($param: $bound),+>)? ($($arg: $type),*) $(-> $result)? {
                $fma($($arg),*)
            }
            #[cfg(target_arch = "x86_64")]
            #[target_feature(enable = "avx2,fma")]
            fn avx2 $(<$($param: $bound),+>)? ($($arg: $type),*) $(-> $result)? {
                $fma($($arg),*)
            }
            match $crate::simd::Machine::here() {
                // SAFETY: the machine has the instructions that the function is compiled for.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Machine::Avx512 => unsafe { avx512($($arg),*) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                $crate::simd::Machine::Avx2 => unsafe { avx2($($arg),*) },
                // Every machine of this architecture has fused multiply-add.
                #[cfg(target_arch = "aarch64")]
                $crate::simd::Machine::Base => $fma($($arg),*),
                #[cfg(not(target_arch = "aarch64"))]
                $crate::simd::Machine::Base => $body($($arg),*),
            }
        }
    };
}

pub(crate) use for_each_machine;
