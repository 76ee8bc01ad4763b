//! The same code, compiled for the vector instructions that a machine may have; results have the same bits.

use super::{Row, Score, probabilities_body, summarise_body};

/// Defines a function that runs `$body` as compiled for the widest vectors of this machine.
macro_rules! for_each_machine {
    ($name:ident => $body:ident ( $($arg:ident : $type:ty),* ) -> $result:ty) => {
        pub(super) fn $name<T: Score>($($arg: $type),*) -> $result {
            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx512bw")]
                fn avx512<T: Score>($($arg: $type),*) -> $result {
                    $body($($arg),*)
                }
                #[target_feature(enable = "avx2")]
                fn avx2<T: Score>($($arg: $type),*) -> $result {
                    $body($($arg),*)
                }
                if is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                {
                    // SAFETY: the machine has the instructions the function is compiled for.
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

for_each_machine!(summarise => summarise_body(
    logits: &[T], classes: usize, labels: &[u32], inverse_temperature: f64, rows: &mut Vec<Row>
) -> Result<(), usize>);

for_each_machine!(probabilities => probabilities_body(
    logits: &[T], classes: usize, inverse_temperature: f64, probs: &mut [f64]
) -> ());
