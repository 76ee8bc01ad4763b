//! Treats the input as a mask in a PNG file: a mask that is read has the size and the values that
//! its header allows, and a file built from fields and rows decodes to these rows.
//!
//! The first byte selects between a file and a file built from the bytes.

#![no_main]

mod scratch;

use flate2::{Compression, Crc, write::ZlibEncoder};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use mbls_seg::dataset::{Mask, decode_mask};
use std::io::Write;

const MAX_PIXELS: u64 = 1 << 20;
const MAX_BYTES: u64 = 1 << 16;
const SIGNATURE: &[u8; 8] = b"\x89PNG\r\n\x1a\n";
const PALETTE: u8 = 3;

fn decode(file: &[u8]) -> Option<Mask> {
    let mask = decode_mask(scratch::file("mask.png", file), MAX_BYTES, MAX_PIXELS).ok()?;
    assert!(mask.classes.len() as u64 <= MAX_PIXELS && file.len() as u64 <= MAX_BYTES);
    assert!(mask.height > 0 && mask.width > 0 && mask.classes.len() == mask.height * mask.width);
    // Signature, length and name of the header, then width, height and bits.
    let size = |at: usize| u32::from_be_bytes([file[at], file[at + 1], file[at + 2], file[at + 3]]) as usize;
    assert_eq!([mask.width, mask.height], [size(16), size(20)]);
    let bits = file[24];
    assert!(mask.classes.iter().all(|&class| u32::from(class) < 1 << bits));
    Some(mask)
}

fn checksum(bytes: &[u8]) -> [u8; 4] {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum().to_be_bytes()
}

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    let named = [name, content].concat();
    file.extend((content.len() as u32).to_be_bytes());
    file.extend(&named);
    file.extend(checksum(&named));
}

/// Builds a palette or greyscale file whose rows are neither filtered nor interlaced. Returns it
/// with the expected values if it is a valid mask.
fn made(&[kind, width, height, entries, cut]: &[u8; 5], rows: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let bits = 1u8 << (kind % 4);
    let colours = if kind & 4 == 0 { PALETTE } else { 0 };
    let (width, height) = (usize::from(width), usize::from(height));
    let row_bytes = (width * usize::from(bits)).div_ceil(8);
    let byte = |i: usize| rows.get(i).copied().unwrap_or(0);
    let rows: Vec<Vec<u8>> = (0..height).map(|y| (0..row_bytes).map(|x| byte(y * row_bytes + x)).collect()).collect();

    let mut header = [(width as u32).to_be_bytes(), (height as u32).to_be_bytes()].concat();
    header.extend([bits, colours, 0, 0, 0]);
    let mut file = SIGNATURE.to_vec();
    chunk(&mut file, b"IHDR", &header);
    let entries = if colours == PALETTE { usize::from(entries).min(1 << bits) } else { 0 };
    if entries > 0 {
        chunk(&mut file, b"PLTE", &vec![7; 3 * entries]);
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    for row in &rows {
        encoder.write_all(&[&[0], &row[..]].concat()).expect("bytes in memory");
    }
    let content = encoder.finish().expect("bytes in memory");
    // Split the data into two chunks, as programs do for large images.
    let (first, second) = content.split_at(usize::from(cut).min(content.len()));
    chunk(&mut file, b"IDAT", first);
    chunk(&mut file, b"IDAT", second);
    chunk(&mut file, b"IEND", b"");

    // A mask needs neither the colours of the palette nor the palette itself.
    let is_mask = width > 0 && height > 0 && (colours == PALETTE || bits == 8);
    let value = |row: &[u8], x: usize| {
        (0..usize::from(bits)).fold(0, |value, bit| {
            let at = x * usize::from(bits) + bit;
            value << 1 | row[at / 8] >> (7 - at % 8) & 1
        })
    };
    let values = rows.iter().flat_map(|row| (0..width).map(move |x| value(row, x))).collect();
    (file, is_mask.then_some(values))
}

fuzz_target!(|input: &[u8]| {
    let Some((&choice, bytes)) = input.split_first() else { return };
    if choice % 2 == 0 {
        decode(bytes);
    } else if let Some((fields, rows)) = bytes.split_first_chunk() {
        let (file, values) = made(fields, rows);
        assert_eq!(decode(&file).map(|mask| mask.classes), values);
    }
});

/// Corrects the checksums of the chunks, so that mutations of their content pass the checks.
fn mend(file: &mut [u8]) -> Option<()> {
    let mut at = SIGNATURE.len();
    loop {
        let length = u32::from_be_bytes(*file.get(at..)?.first_chunk()?) as usize;
        let end = at.checked_add(8)?.checked_add(length)?;
        let sum = checksum(file.get(at + 4..end)?);
        file.get_mut(end..end + 4)?.copy_from_slice(&sum);
        at = end + 4;
    }
}

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let size = fuzzer_mutate(data, size, max_size);
    if !seed.is_multiple_of(4) && size > 0 && data[0] % 2 == 0 {
        mend(&mut data[1..size]);
    }
    size
});
