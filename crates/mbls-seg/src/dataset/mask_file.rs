//! Masks in PNG files.

use super::Mask;
use mbls_data::{Error, Result};
use mbls_io::file::read_bounded;
use png::{BitDepth, ColorType, Decoder, DecodingError, Transformations};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Decodes a mask from a PNG file: palette indices of 1, 2, 4 or 8 bits, whatever the colours of
/// the palette, or 8-bit grey values.
///
/// Grey values of fewer bits are rejected, because decoders disagree on whether they are scaled to
/// 0..=255.
///
/// # Errors
///
/// [`Error::TooLarge`](mbls_io::Error::TooLarge) for a file larger than `max_bytes`;
/// [`Error::Format`](mbls_io::Error::Format) with the name of the file if it has more than
/// `max_pixels` pixels (they are not decoded), is empty, truncated, damaged or not PNG, or has
/// colours, transparency or 16 bits; [`Error::Io`](mbls_io::Error::Io).
pub fn decode_mask(path: impl AsRef<Path>, max_bytes: u64, max_pixels: u64) -> Result<Mask> {
    let path = path.as_ref();
    let bytes = read_bounded(path, max_bytes)?;
    if bytes.is_empty() {
        return Err(Error::format(path, "size", "at least 1 byte", 0));
    }
    if !bytes.starts_with(SIGNATURE) {
        let found = format!("{:02x?}", &bytes[..bytes.len().min(SIGNATURE.len())]);
        return Err(Error::format(path, "content", "a PNG file", found));
    }
    // A panic of the decoder is reported as a damaged file.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode_bytes(path, &bytes, max_pixels)));
    decoded.unwrap_or_else(|_| Err(damaged(path)("the decoder panicked")))
}

fn damaged<T: ToString>(path: &Path) -> impl Fn(T) -> Error {
    move |found| Error::format(path, "content", "a complete PNG file", found)
}

fn decode_bytes(path: &Path, bytes: &[u8], max_pixels: u64) -> Result<Mask> {
    let wrong = damaged::<DecodingError>(path);
    let mut decoder = Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::IDENTITY);
    decoder.ignore_checksums(false);
    decoder.set_ignore_text_chunk(true);
    decoder.set_ignore_iccp_chunk(true);
    let header = decoder.read_header_info().map_err(&wrong)?;
    let (width, height) = header.size();
    let bits = match (header.color_type, header.bit_depth) {
        (ColorType::Indexed, BitDepth::One) => 1,
        (ColorType::Indexed, BitDepth::Two) => 2,
        (ColorType::Indexed, BitDepth::Four) => 4,
        (ColorType::Indexed | ColorType::Grayscale, BitDepth::Eight) => 8,
        (colours, depth) => {
            let found = format!("{colours:?} of {} bits", depth as u8);
            return Err(Error::format(path, "colour type", "a palette, or grey of 8 bits", found));
        }
    };
    if u64::from(width) * u64::from(height) > max_pixels {
        let found = format!("{width} x {height}");
        return Err(Error::format(
            path,
            "number of pixels",
            format!("at most {max_pixels}"),
            found,
        ));
    }
    let mut reader = decoder.read_info().map_err(&wrong)?;
    let Some(len) = reader.output_buffer_size() else {
        return Err(damaged(path)(format!("{width} x {height} pixels")));
    };
    let mut packed = vec![0; len];
    let frame = reader.next_frame(&mut packed).map_err(&wrong)?;
    if (frame.width, frame.height) != (width, height) {
        // The first frame of an animation may be smaller than the image.
        return Err(damaged(path)(format!(
            "{} x {} pixels of {width} x {height}",
            frame.width, frame.height
        )));
    }
    let (height, width) = (height as usize, width as usize);
    let classes = if bits == 8 { packed } else { unpack(&packed, frame.line_size, width, bits) };
    Ok(Mask { height, width, classes })
}

/// Unpacks values of `bits` bits to one byte each. The first value is in the highest bits, and each
/// row starts at a byte boundary.
fn unpack(packed: &[u8], row_bytes: usize, width: usize, bits: usize) -> Vec<u8> {
    let (per_byte, ones) = (8 / bits, (1u8 << bits) - 1);
    let value =
        |row: &[u8], x: usize| (row[x / per_byte] >> (8 - bits - x % per_byte * bits)) & ones;
    packed.chunks_exact(row_bytes).flat_map(|row| (0..width).map(move |x| value(row, x))).collect()
}
