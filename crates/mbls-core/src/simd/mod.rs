//! Code that compiles to vector instructions, for those that a machine may have; results have the same bits.

mod elementary;
#[cfg(feature = "candle")]
mod real;

pub(crate) use elementary::{exp, ln};
#[cfg(feature = "candle")]
pub(crate) use real::Real;

/// Defines a function that runs a body as it was compiled for the widest vectors of this machine.
///
/// The body must be `#[inline(always)]`, so that it is compiled anew in each of the forms.
macro_rules! for_each_machine {
    ($(#[$attribute:meta])* $vis:vis fn $name:ident $(<$param:ident : $bound:path>)? ( $($arg:ident : $type:ty),* $(,)? ) $(-> $result:ty)? => $body:path) => {
        $(#[$attribute])*
        $vis fn $name $(<$param: $bound>)? ($($arg: $type),*) $(-> $result)? {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
                fn avx512 $(<$param: $bound>)? ($($arg: $type),*) $(-> $result)? {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn avx2 $(<$param: $bound>)? ($($arg: $type),*) $(-> $result)? {
                    $body($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                {
                    // SAFETY: the machine has the instructions that the function is compiled for.
                    return unsafe { avx512($($arg),*) };
                }
                if is_x86_feature_detected!("avx2") {
                    // SAFETY: as above.
                    return unsafe { avx2($($arg),*) };
                }
            }
            $body($($arg),*)
        }
    };
}

pub(crate) use for_each_machine;
