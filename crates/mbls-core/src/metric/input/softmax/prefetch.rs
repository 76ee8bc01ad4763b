//! Memory asked for while something else is computed.

/// Asks for what lies a block after some scores: [`measure`](crate::metric::measure) reads that
/// next, first to see whether it is finite, which is so little work that it would wait for the
/// memory all the time.
///
/// A hint, of which nothing is to be seen but time; a machine without one does nothing.
#[inline(always)]
pub(super) fn block_after<T>(scores: &[T]) {
    // Miri has no such instruction.
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use super::BLOCK;
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        const LINE: usize = 64;
        let first = scores.as_ptr().cast::<i8>().wrapping_add(BLOCK * size_of::<T>());
        for at in (0..size_of_val(scores)).step_by(LINE) {
            // SAFETY: an address is not an access: where there is no memory, nothing comes.
            unsafe { _mm_prefetch::<_MM_HINT_T1>(first.wrapping_add(at)) };
        }
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    let _ = scores;
}
