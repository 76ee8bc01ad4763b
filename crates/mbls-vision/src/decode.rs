//! Decoding of picture files.

use crate::{Error, Image, Result};
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use mbls_data::file::read_bounded;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// The picture in a file, as 8-bit RGB.
///
/// What the bytes say decides the format, not the file's name. Grey values are repeated for the three channels; transparency is dropped,
/// not blended; 16-bit values are scaled to 8; of an animation it is the first picture; what EXIF says about the orientation is
/// not applied.
///
/// # Errors
///
/// [`Error::TooLarge`] for a file above `max_bytes`; [`Error::Format`] with the file's name for a picture of more than `max_pixels`, which is
/// not decoded, and for one that is empty, truncated, damaged or of no known format; [`Error::Io`].
pub fn decode(path: &Path, max_bytes: u64, max_pixels: u64) -> Result<Image> {
    let bytes = read_bounded(path, max_bytes)?;
    if bytes.is_empty() {
        return Err(Error::format(path, "size", "at least 1 byte", 0));
    }
    // A decoder that panics is a picture that does not decode.
    let decoded = catch_unwind(AssertUnwindSafe(|| decode_bytes(&bytes, max_pixels)));
    decoded.unwrap_or_else(|_| Err(Fault::damaged("the decoder panicked"))).map_err(|fault| fault.at(path))
}

/// What is wrong with a picture.
struct Fault {
    field: &'static str,
    expected: String,
    found: String,
}

impl Fault {
    fn damaged(found: impl ToString) -> Self {
        Self { field: "content", expected: "a whole picture".into(), found: found.to_string() }
    }

    fn at(self, path: &Path) -> Error {
        Error::format(path, self.field, self.expected, self.found)
    }
}

impl From<ImageError> for Fault {
    fn from(error: ImageError) -> Self {
        Self::damaged(error)
    }
}

fn decode_bytes(bytes: &[u8], max_pixels: u64) -> Result<Image, Fault> {
    let format = image::guess_format(bytes).map_err(|_| Fault {
        field: "content",
        expected: "a picture (BMP, GIF, JPEG, PNG, PNM, WebP)".into(),
        found: format!("{:02x?}", &bytes[..bytes.len().min(8)]),
    })?;
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        // The decoder would fill the rest with grey.
        return Err(Fault::damaged("a truncated JPEG file"));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    // The most that a pixel takes (four 16-bit channels), once for the picture and once for what a decoder keeps beside it.
    limits.max_alloc = Some(max_pixels.saturating_mul(16).saturating_add(1 << 20));
    reader.limits(limits);
    let decoder = reader.into_decoder()?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > max_pixels {
        return Err(Fault {
            field: "number of pixels",
            expected: format!("at most {max_pixels}"),
            found: format!("{width} x {height}"),
        });
    }
    if width == 0 || height == 0 {
        return Err(Fault::damaged(format!("{width} x {height} pixels")));
    }
    Ok(planes(DynamicImage::from_decoder(decoder)?))
}

/// Channel by channel.
fn planes(picture: DynamicImage) -> Image {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let plane = width * height;
    let mut pixels = Vec::with_capacity(3 * plane);
    if picture.color() == ColorType::L8 {
        let grey = picture.into_bytes();
        (0..3).for_each(|_| pixels.extend_from_slice(&grey));
    } else {
        let rgb = picture.into_rgb8().into_raw();
        (0..3).for_each(|channel| pixels.extend(rgb.chunks_exact(3).map(|pixel| pixel[channel])));
    }
    Image { channels: 3, height, width, pixels }
}

/// Whether the segments of a JPEG file lead to its end marker.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    // Behind the start marker.
    let mut at = 2;
    loop {
        // Compressed data up to the next marker: in it, FF is followed by 00 or by a restart marker.
        let Some(found) = bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xFF)) else {
            return false;
        };
        at += found + 1;
        let Some(&marker) = bytes.get(at) else { return false };
        match marker {
            // A stuffed zero, a marker without content.
            0x00 | 0x01 | 0xD0..=0xD8 => at += 1,
            // A fill byte before a marker.
            0xFF => {}
            0xD9 => return true,
            _ => {
                let Some(&[high, low]) = bytes.get(at + 1..at + 3) else { return false };
                at += 1 + usize::from(u16::from_be_bytes([high, low]));
            }
        }
    }
}
