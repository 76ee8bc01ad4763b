//! Changes where they matter: files of pictures are pixels for the most part, and any byte is a pixel.

use libfuzzer_sys::fuzzer_mutate;

/// Has the fuzzer change some of the bytes from `at` on and no others; nothing where there are none.
pub fn mutate(data: &mut [u8], at: usize, length: usize) {
    let end = at.saturating_add(length).min(data.len());
    if at >= end {
        return;
    }
    let mut window = data[at..end].to_vec();
    let size = window.len();
    // What is deleted here is filled with the old bytes, so that what follows stays in its place.
    fuzzer_mutate(&mut window, size, size);
    data[at..end].copy_from_slice(&window);
}
