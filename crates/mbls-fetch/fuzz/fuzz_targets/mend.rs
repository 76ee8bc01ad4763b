//! Corrects the checksums of archives, so that mutations of their content pass the checks.

use flate2::{Crc, read::DeflateDecoder};
use std::io::Read;

const BLOCK: usize = 512;

/// Corrects the headers of a tar archive. Returns `None` at the first header with an invalid size,
/// and at the end.
pub fn tar(file: &mut [u8]) -> Option<()> {
    let mut at = 0usize;
    loop {
        let header = file.get_mut(at..at.checked_add(BLOCK)?)?;
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
        if sum == 8 * u32::from(b' ') {
            // The end mark.
            header[148..156].fill(0);
            return None;
        }
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let digits = std::str::from_utf8(&header[124..136]).ok()?.trim_matches(['\0', ' ']);
        let size = usize::from_str_radix(digits, 8).ok()?;
        at = at.checked_add(BLOCK)?.checked_add(size.checked_next_multiple_of(BLOCK)?)?;
    }
}

/// Corrects the entries in the central directory of a zip archive.
pub fn zip(file: &mut [u8]) -> Option<()> {
    let field = |file: &[u8], at: usize, length: usize| {
        let bytes = file.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0usize, |value, &byte| value << 8 | usize::from(byte)))
    };
    let mut at = file.windows(4).position(|bytes| bytes == b"PK\x01\x02")?;
    while file.get(at..at + 4)? == b"PK\x01\x02" {
        let (method, size, local) = (field(file, at + 10, 2)?, field(file, at + 20, 4)?, field(file, at + 42, 4)?);
        let data = local + 30 + field(file, local + 26, 2)? + field(file, local + 28, 2)?;
        let packed = file.get(data..data + size)?;
        let mut content = Vec::new();
        match method {
            8 => drop(DeflateDecoder::new(packed).take(1 << 16).read_to_end(&mut content)),
            _ => content.extend(packed),
        }
        let mut crc = Crc::new();
        crc.update(&content);
        for (at, value) in [(at + 16, crc.sum()), (at + 24, content.len() as u32)] {
            file.get_mut(at..at + 4)?.copy_from_slice(&value.to_le_bytes());
        }
        at += 46 + field(file, at + 28, 2)? + field(file, at + 30, 2)? + field(file, at + 32, 2)?;
    }
    Some(())
}
