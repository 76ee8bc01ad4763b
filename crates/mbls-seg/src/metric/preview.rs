use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngEncoder;
use image::imageops::{FilterType, resize};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat};
use mbls_data::{Error, Result};
use mbls_vision::Image;

/// The quality of JPEG previews.
const QUALITY: u8 = 85;

/// Encodes an image as a PNG file.
///
/// # Errors
///
/// [`Error::Other`] unless the image has one or three channels, or if it is too large for the
/// format.
pub fn image_png(image: &Image) -> Result<Vec<u8>> {
    image.validate()?;
    let area = image.height * image.width;
    let colour = match image.channels {
        1 => ExtendedColorType::L8,
        3 => ExtendedColorType::Rgb8,
        channels => return Err(Error::value("channels of an image", "1 or 3", channels)),
    };
    let interleaved: Vec<u8> = (0..area)
        .flat_map(|pixel| image.pixels.iter().skip(pixel).step_by(area.max(1)).copied())
        .collect();
    let (Ok(width), Ok(height)) = (u32::try_from(image.width), u32::try_from(image.height)) else {
        let found = format!("{} x {}", image.height, image.width);
        return Err(Error::value("size of an image", "up to 2^32 - 1 rows and columns", found));
    };
    let mut file = Vec::new();
    PngEncoder::new(&mut file).write_image(&interleaved, width, height, colour).map_err(other)?;
    Ok(file)
}

/// Shrinks a map in a PNG file until its longer side is at most `longest`, by nearest-neighbour
/// sampling, and returns a PNG file.
///
/// # Errors
///
/// [`Error::Other`] for a file that is not PNG.
pub fn map_preview(png: &[u8], longest: u32) -> Result<Vec<u8>> {
    let map = shrunk(png, longest, FilterType::Nearest)?;
    let mut file = Vec::new();
    map.write_with_encoder(PngEncoder::new(&mut file)).map_err(other)?;
    Ok(file)
}

/// Shrinks an image in a PNG file until its longer side is at most `longest`, and returns a JPEG
/// file.
///
/// # Errors
///
/// [`Error::Other`] for a file that is not PNG.
pub fn photo_preview(png: &[u8], longest: u32) -> Result<Vec<u8>> {
    let photo = shrunk(png, longest, FilterType::Triangle)?.to_rgb8();
    let mut file = Vec::new();
    photo.write_with_encoder(JpegEncoder::new_with_quality(&mut file, QUALITY)).map_err(other)?;
    Ok(file)
}

fn shrunk(png: &[u8], longest: u32, filter: FilterType) -> Result<DynamicImage> {
    let image = image::load_from_memory_with_format(png, ImageFormat::Png).map_err(other)?;
    let longer = image.width().max(image.height());
    if longer <= longest {
        return Ok(image);
    }
    let side = |side: u32| {
        ((f64::from(side) * f64::from(longest) / f64::from(longer)).round() as u32).max(1)
    };
    let (width, height) = (side(image.width()), side(image.height()));
    Ok(DynamicImage::ImageRgba8(resize(&image.to_rgba8(), width, height, filter)))
}

fn other(error: image::ImageError) -> Error {
    Error::Other(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn previews_keep_the_shape_and_the_colours() {
        // Left half red, right half blue.
        let (height, width) = (30, 60);
        let half = |left: bool| {
            (0..height * width)
                .map(move |at| if (at % width < width / 2) == left { 200 } else { 0 })
        };
        let pixels: Vec<u8> =
            half(true).chain(std::iter::repeat_n(0, height * width)).chain(half(false)).collect();
        let png = image_png(&Image { channels: 3, height, width, pixels }).unwrap();
        let whole = image::load_from_memory(&png).unwrap().to_rgb8();
        assert_eq!(
            (whole.dimensions(), whole.get_pixel(0, 0).0, whole.get_pixel(59, 29).0),
            ((60, 30), [200, 0, 0], [0, 0, 200])
        );
        let map = image::load_from_memory(&map_preview(&png, 20).unwrap()).unwrap().to_rgb8();
        assert_eq!(
            (map.dimensions(), map.get_pixel(0, 9).0, map.get_pixel(19, 0).0),
            ((20, 10), [200, 0, 0], [0, 0, 200])
        );
        let photo = photo_preview(&png, 20).unwrap();
        assert_eq!(photo[..2], [0xff, 0xd8]);
        let photo = image::load_from_memory(&photo).unwrap().to_rgb8();
        assert!(
            photo.dimensions() == (20, 10)
                && photo.get_pixel(1, 5).0[0] > 150
                && photo.get_pixel(18, 5).0[2] > 150
        );
        // A map that is small enough is unchanged.
        assert_eq!(
            image::load_from_memory(&map_preview(&png, 60).unwrap()).unwrap().to_rgb8(),
            whole
        );
        assert!(map_preview(b"no image", 20).is_err() && photo_preview(&png[..40], 20).is_err());
        assert!(
            image_png(&Image { channels: 2, height: 1, width: 1, pixels: vec![0; 2] }).is_err()
        );
    }
}
