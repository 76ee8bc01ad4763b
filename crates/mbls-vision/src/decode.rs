//! Decoding of image files.

use crate::{Error, Image, Result};
use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use mbls_io::file::read_bounded;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Decodes the image in a file to 8-bit RGB with its EXIF orientation applied.
///
/// The content determines the format, not the file name. Grey values are repeated for the three
/// channels; transparency is dropped, not blended; 16-bit values are scaled to 8; for an animation,
/// the first image is returned; the EXIF orientation is applied ([`decode_oriented`] also returns
/// it).
///
/// # Errors
///
/// [`Error::TooLarge`](mbls_io::Error::TooLarge) for a file above `max_bytes`;
/// [`Error::Format`](mbls_io::Error::Format) with the name of the file for an image of more than
/// `max_pixels`, which is not decoded, and for one that is empty, truncated, damaged or of an
/// unknown format; [`Error::Io`](mbls_io::Error::Io).
pub fn decode(path: &Path, max_bytes: u64, max_pixels: u64) -> Result<Image> {
    Ok(decode_oriented(path, max_bytes, max_pixels)?.image)
}

/// An image with its EXIF orientation applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Oriented {
    /// The upright image.
    pub image: Image,
    /// The EXIF orientation of the file, 1 to 8, which the pixels were transformed by. 1 is no
    /// transformation, also if the file does not state an orientation; 5 to 8 exchange height and
    /// width.
    pub orientation: u8,
}

/// Decodes the image in a file as [`decode`] does, and returns the EXIF orientation that was
/// applied.
///
/// If the metadata are damaged, no orientation is applied.
///
/// # Errors
///
/// As for [`decode`].
pub fn decode_oriented(path: &Path, max_bytes: u64, max_pixels: u64) -> Result<Oriented> {
    decode_bytes(&read_bounded(path, max_bytes)?, path, max_pixels)
}

/// Decodes the content of an image file as [`decode_oriented`] does; errors use `name` as the name
/// of the file.
///
/// # Errors
///
/// As for [`decode`], except for errors of reading.
pub fn decode_bytes(bytes: &[u8], name: impl AsRef<Path>, max_pixels: u64) -> Result<Oriented> {
    read(bytes, name.as_ref(), |bytes| oriented(bytes, max_pixels))
}

/// The header of an image file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageHeader {
    /// Channels in the file: 1 for a grey image, 3 for a colour image, one more with transparency
    /// or for CMYK.
    pub channels: usize,
    /// Number of rows of the upright image.
    pub height: usize,
    /// Number of columns of the upright image.
    pub width: usize,
}

/// Reads the header of an image file without decoding the pixels.
///
/// # Errors
///
/// As for [`decode`], except that damaged pixels are not detected.
pub fn image_header(path: &Path, max_bytes: u64, max_pixels: u64) -> Result<ImageHeader> {
    read(&read_bounded(path, max_bytes)?, path, |bytes| {
        let Opened { decoder, width, height, .. } = open(bytes, max_pixels)?;
        let channels = usize::from(decoder.original_color_type().channel_count());
        Ok(ImageHeader { channels, height: height as usize, width: width as usize })
    })
}

/// Reads the content of the file `path`.
fn read<T>(
    bytes: &[u8],
    path: &Path,
    content: impl FnOnce(&[u8]) -> Result<T, Fault>,
) -> Result<T> {
    if bytes.is_empty() {
        return Err(Error::format(path, "size", "at least 1 byte", 0));
    }
    // A panic of the decoder is an image that does not decode.
    let read = catch_unwind(AssertUnwindSafe(|| content(bytes)));
    read.unwrap_or_else(|_| Err(Fault::damaged("the decoder panicked")))
        .map_err(|fault| fault.at(path))
}

/// The reason why an image does not decode.
struct Fault {
    field: &'static str,
    expected: String,
    found: String,
}

impl Fault {
    fn damaged(found: impl ToString) -> Self {
        Self { field: "content", expected: "a whole image".into(), found: found.to_string() }
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

fn oriented(bytes: &[u8], max_pixels: u64) -> Result<Oriented, Fault> {
    let Opened { decoder, orientation, .. } = open(bytes, max_pixels)?;
    let mut image = DynamicImage::from_decoder(decoder)?;
    image.apply_orientation(orientation);
    Ok(Oriented { image: planes(image), orientation: orientation.to_exif() })
}

/// An image whose header has been read.
struct Opened<D> {
    decoder: D,
    orientation: Orientation,
    /// Width of the upright image.
    width: u32,
    height: u32,
}

/// Reads the header of an image.
fn open(bytes: &[u8], max_pixels: u64) -> Result<Opened<impl ImageDecoder>, Fault> {
    let format = image::guess_format(bytes).map_err(|_| Fault {
        field: "content",
        expected: "an image (BMP, GIF, JPEG, PNG, PNM, WebP)".into(),
        found: format!("{:02x?}", &bytes[..bytes.len().min(8)]),
    })?;
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        // The decoder would fill the missing part with grey.
        return Err(Fault::damaged("a truncated JPEG file"));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    // The maximum per pixel (four 16-bit channels), once for the image and once for the decoder's
    // internal buffers.
    limits.max_alloc = Some(max_pixels.saturating_mul(16).saturating_add(1 << 20));
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = orientation(bytes, &mut decoder);
    let (mut width, mut height) = decoder.dimensions();
    if orientation.to_exif() >= 5 {
        (width, height) = (height, width);
    }
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
    Ok(Opened { decoder, orientation, width, height })
}

/// The start of EXIF metadata in JPEG files, and sometimes in other formats.
const EXIF: &[u8] = b"Exif\0\0";

/// Returns the orientation in the EXIF metadata.
fn orientation(bytes: &[u8], decoder: &mut impl ImageDecoder) -> Orientation {
    // Decoders parse the whole header again for the metadata; skip this for the many files without
    // metadata.
    if bytes.starts_with(&[0xFF, 0xD8]) && !jpeg_has_exif(&bytes[2..]) {
        return Orientation::NoTransforms;
    }
    let exif = decoder.exif_metadata().ok().flatten().unwrap_or_default();
    let exif = exif.strip_prefix(EXIF).unwrap_or(&exif);
    Orientation::from_exif_chunk(exif).unwrap_or(Orientation::NoTransforms)
}

/// Converts to planar order, channel by channel.
fn planes(image: DynamicImage) -> Image {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let plane = width * height;
    let mut pixels = Vec::with_capacity(3 * plane);
    if image.color() == ColorType::L8 {
        let grey = image.into_bytes();
        (0..3).for_each(|_| pixels.extend_from_slice(&grey));
    } else {
        let rgb = image.into_rgb8().into_raw();
        (0..3).for_each(|channel| pixels.extend(rgb.chunks_exact(3).map(|pixel| pixel[channel])));
    }
    Image { channels: 3, height, width, pixels }
}

/// Returns whether the segments of a JPEG file after its start marker contain EXIF metadata.
fn jpeg_has_exif(mut segments: &[u8]) -> bool {
    while let [0xFF, marker, rest @ ..] = segments {
        segments = match (marker, rest) {
            // Compressed data.
            (0xDA, _) => return false,
            // A fill byte before a marker.
            (0xFF, _) => &segments[1..],
            (0xE1, [_, _, content @ ..]) if content.starts_with(EXIF) => return true,
            (_, [high, low, ..]) => {
                rest.get(usize::from(u16::from_be_bytes([*high, *low]))..).unwrap_or_default()
            }
            _ => return false,
        };
    }
    false
}

/// Returns whether the segments of a JPEG file lead to its end marker.
fn jpeg_is_whole(bytes: &[u8]) -> bool {
    // Skip the start marker.
    let mut at = 2;
    loop {
        // Compressed data up to the next marker; in it, FF is followed by 00 or by a restart
        // marker.
        let Some(found) =
            bytes.get(at..).and_then(|rest| rest.iter().position(|&byte| byte == 0xFF))
        else {
            return false;
        };
        at += found + 1;
        let Some(&marker) = bytes.get(at) else { return false };
        match marker {
            // A stuffed zero, or a marker without content.
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
