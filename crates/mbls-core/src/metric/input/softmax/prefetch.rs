//! Prefetching of memory during computation.

/// Prefetches the memory one block after the given scores: [`measure`](crate::metric::measure)
/// reads it next. It first checks that it is finite, which is so little work that it would
/// otherwise wait for memory.
///
/// This is a hint that affects only the time. It does nothing on machines without such an
/// instruction.
#[inline(always)]
pub(super) fn block_after<T>(scores: &[T]) {
    // Miri does not support this instruction.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use super::BLOCK;
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        const LINE: usize = 64;
        let first = scores.as_ptr().cast::<i8>().wrapping_add(BLOCK * size_of::<T>());
        for at in (0..size_of_val(scores)).step_by(LINE) {
            // SAFETY: a prefetch is not a memory access; an invalid address has no effect.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(first.wrapping_add(at)) };
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = scores;
}
