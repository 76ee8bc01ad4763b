//! Restricts mutations to the relevant bytes: image files are mostly pixels, and any byte is a
//! valid pixel.

use libfuzzer_sys::fuzzer_mutate;

/// Lets the fuzzer mutate `length` bytes from `at` on and no others.
pub fn mutate(data: &mut [u8], at: usize, length: usize) {
    let end = at.saturating_add(length).min(data.len());
    if at >= end {
        return;
    }
    let mut window = data[at..end].to_vec();
    let size = window.len();
    // Deleted bytes are replaced by the old ones, so the bytes after the window stay in place.
    fuzzer_mutate(&mut window, size, size);
    data[at..end].copy_from_slice(&window);
}
