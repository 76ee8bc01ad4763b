//! Treats the input as a MATLAB 5 file of SVHN: the pixels and labels that are read are those of
//! the file, and the same file with compressed arrays gives the same result.

#![no_main]

mod scratch;
mod window;

use flate2::{Compression, write::ZlibEncoder};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mbls_vision::dataset::{Split, svhn};
use mbls_vision::{ImageSource, LabelledImages};
use std::io::Write;

const HEADER: usize = 128;
const PLANE: usize = 32 * 32;
const PIXELS: usize = 3 * PLANE;

fn load(file: &[u8]) -> Option<LabelledImages> {
    scratch::file("test_32x32.mat", file);
    svhn::load(scratch::folder(), Split::Test).ok()
}

/// Compresses the complete arrays of a file, up to the first other element.
fn packed(file: &[u8]) -> Option<Vec<u8>> {
    let is_big = file.get(126..HEADER)? == b"MI";
    let number = |bytes: &[u8; 4]| if is_big { u32::from_be_bytes(*bytes) } else { u32::from_le_bytes(*bytes) };
    let bytes = |number: u32| if is_big { number.to_be_bytes() } else { number.to_le_bytes() };
    let (mut packed, mut rest) = (file[..HEADER].to_vec(), &file[HEADER..]);
    while let Some((kind, behind)) = rest.split_first_chunk() {
        let size = behind.first_chunk().map_or(u32::MAX, number) as usize;
        let Some(element) = rest.get(..size.saturating_add(8)).filter(|_| number(kind) == 14) else { break };
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
        let content = encoder.write_all(element).and_then(|()| encoder.finish()).ok()?;
        packed.extend([bytes(15), bytes(content.len() as u32)].concat());
        packed.extend(content);
        rest = &rest[element.len()..];
    }
    packed.extend(rest);
    Some(packed)
}

/// Transposes an image, because the file is column-major.
fn transposed(plane: &[u8]) -> impl Iterator<Item = u8> {
    (0..PLANE).map(|i| plane[i % 32 * 32 + i / 32])
}

fuzz_target!(|file: &[u8]| {
    let read = load(file);
    let again = packed(file).and_then(|packed| load(&packed));
    let Some(read) = read else { return assert!(again.is_none(), "the compressed file is read, but not the original") };
    let count = read.labels().len();
    let pixels = |images: &LabelledImages| -> Vec<u8> {
        (0..count).flat_map(|i| images.pixels(i).expect("an image").to_vec()).collect()
    };
    let pixels_read = pixels(&read);
    assert!(count > 0 && count <= 26_032 && pixels_read.len() == count * PIXELS);

    let again = again.expect("the compressed file is read as well");
    assert_eq!(again.labels(), read.labels());
    assert_eq!(pixels(&again), pixels_read);

    let is_plain =
        file.get(HEADER..).is_some_and(|elements| !elements.starts_with(&[15]) && elements.get(3) != Some(&15));
    if is_plain {
        let of_file: Vec<u8> = pixels_read.chunks(PLANE).flat_map(transposed).collect();
        assert!(file.windows(of_file.len()).any(|window| window == of_file), "pixels that are not in the file");
        let digits: Vec<u8> = read.labels().iter().map(|&label| if label == 0 { 10 } else { label as u8 }).collect();
        let wide = |digit: &u8, is_big| {
            let digit = f64::from(*digit);
            if is_big { digit.to_be_bytes() } else { digit.to_le_bytes() }
        };
        let forms = [
            digits.clone(),
            digits.iter().flat_map(|digit| wide(digit, false)).collect(),
            digits.iter().flat_map(|digit| wide(digit, true)).collect(),
        ];
        let is_there = |form: &Vec<u8>| file.windows(form.len()).any(|window| window == form);
        assert!(forms.iter().any(is_there), "labels that are not in the file");
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // In the seeds, tags, names and sizes are before and after the pixels.
    match seed % 4 {
        0 => window::mutate(&mut data[..size], 124, 84),
        1 => window::mutate(
            &mut data[..size],
            size.saturating_sub(PIXELS / 2 * (seed as usize / 4 % 3)).saturating_sub(96),
            96,
        ),
        _ => return fuzzer_mutate(data, size, max_size),
    }
    size
});
