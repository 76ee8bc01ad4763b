//! Code that compiles to vector instructions, for those that a machine may have. Results have the
//! same bits, but for those of the losses' kernels, which multiply and add in one instruction where
//! there is one.

mod elementary;
#[cfg(feature = "candle")]
mod real;

#[cfg(target_arch = "x86_64")]
pub(crate) use elementary::avx2;
pub(crate) use elementary::{exp, fused_exp, ln};
#[cfg(feature = "candle")]
pub(crate) use real::Real;

/// The kinds of machines that code is compiled for.
#[derive(Clone, Copy)]
pub(crate) enum Machine {
    /// Whatever the target has.
    Base,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Machine {
    /// The kind of this machine.
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

/// Runs something on this thread as a machine without the vectors that code is compiled for.
#[cfg(test)]
pub(crate) fn on_base<R>(run: impl FnOnce() -> R) -> R {
    BASE.set(true);
    let result = run();
    BASE.set(false);
    result
}

/// Defines a function that runs a body as it was compiled for the widest vectors of this machine.
///
/// The body must be `#[inline(always)]`, so that it is compiled again in each of the forms. It
/// should be small, a loop or two over slices: in a large one the compiler leaves sums of lanes in
/// memory. A second body, after `|`, takes its place on machines that multiply and add in one
/// instruction; it may use it, for results whose last bits differ.
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
                // What every machine of this architecture has.
                #[cfg(target_arch = "aarch64")]
                $crate::simd::Machine::Base => $fma($($arg),*),
                #[cfg(not(target_arch = "aarch64"))]
                $crate::simd::Machine::Base => $body($($arg),*),
            }
        }
    };
}

pub(crate) use for_each_machine;
