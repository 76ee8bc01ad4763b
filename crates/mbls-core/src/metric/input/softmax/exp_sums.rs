//! Sums of exponentials per lane, where a softmax spends most of its time.

use super::number::Number;
use super::{LANES, Sums};
use crate::simd::{for_each_machine, fused_exp};

/// Adds `e_k = exp(b (l_k - max))` and its square to the sums, in the order of the vectors.
#[inline(always)]
pub(super) fn add_exps<T: Number>(
    scores: &[[T; LANES]],
    max: &[f64; LANES],
    inverse_temperature: f64,
    sums: &mut Sums,
) {
    if !T::add_exps(scores, max, inverse_temperature, sums) {
        add_exps_as_compiled(scores, max, inverse_temperature, sums);
    }
}

for_each_machine! {
    fn add_exps_as_compiled<T: Number>(
        scores: &[[T; LANES]],
        max: &[f64; LANES],
        inverse_temperature: f64,
        sums: &mut Sums,
    ) => add_exps_body
}

#[inline(always)]
fn add_exps_body<T: Number>(
    scores: &[[T; LANES]],
    max: &[f64; LANES],
    inverse_temperature: f64,
    to: &mut Sums,
) {
    let max = *max;
    let [mut sums, mut squares] = *to;
    for scores in scores {
        for lane in 0..LANES {
            let e = fused_exp((scores[lane].into() - max[lane]) * inverse_temperature);
            sums[lane] += e;
            squares[lane] = e.mul_add(e, squares[lane]);
        }
    }
    *to = [sums, squares];
}
