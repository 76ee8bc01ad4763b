//! Brightness, contrast, saturation and hue of 8-bit images.

use crate::Image;

/// Computes `factor * value`.
pub(super) fn brightness(image: &mut Image, factor: f64) {
    blend_with(image, factor, 0.0);
}

/// Computes `factor * value + (1 - factor) * mean`, where `mean` is the mean of the image's grey
/// values.
pub(super) fn contrast(image: &mut Image, factor: f64) {
    let sum: u64 = match image.channels {
        3 => pixels(image).map(|rgb| u64::from(grey(rgb))).sum(),
        _ => image.pixels.iter().map(|&value| u64::from(value)).sum(),
    };
    let count = image.height * image.width;
    blend_with(image, factor, (sum as f64 / count as f64) as f32);
}

/// Computes `factor * value + (1 - factor) * grey`, where `grey` is that of the same pixel; an
/// image of one channel is unchanged.
pub(super) fn saturation(image: &mut Image, factor: f64) {
    each_pixel(image, |rgb| {
        let grey = f32::from(grey(rgb));
        rgb.map(|value| blend(f32::from(value), grey, factor))
    });
}

/// Rotates the hue by `turn`, a fraction of a full turn; an image of one channel is unchanged.
pub(super) fn hue(image: &mut Image, turn: f64) {
    each_pixel(image, |rgb| {
        let [hue, saturation, value] = to_hsv(rgb.map(|value| f32::from(value) / 255.0));
        let hue = (hue + turn as f32).rem_euclid(1.0);
        // 256 steps of equal width, as in torchvision's conversion of floats to 8 bits.
        to_rgb([hue, saturation, value]).map(|value| (value * 255.999) as u8)
    });
}

/// Clips to 0..=255 and rounds down.
fn blend(value: f32, other: f32, factor: f64) -> u8 {
    (factor as f32 * value + (1.0 - factor) as f32 * other) as u8
}

fn blend_with(image: &mut Image, factor: f64, other: f32) {
    let table: Vec<u8> =
        (0..=u8::MAX).map(|value| blend(f32::from(value), other, factor)).collect();
    image.pixels.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
}

/// Returns the luma of ITU-R BT.601, rounded down.
fn grey([red, green, blue]: [u8; 3]) -> u8 {
    (0.2989 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)) as u8
}

fn pixels(image: &Image) -> impl Iterator<Item = [u8; 3]> {
    let plane = image.height * image.width;
    (0..plane).map(move |i| [image.pixels[i], image.pixels[plane + i], image.pixels[2 * plane + i]])
}

fn each_pixel(image: &mut Image, change: impl Fn([u8; 3]) -> [u8; 3]) {
    if image.channels != 3 {
        return;
    }
    let plane = image.height * image.width;
    let (red, rest) = image.pixels.split_at_mut(plane);
    let (green, blue) = rest.split_at_mut(plane);
    for ((red, green), blue) in red.iter_mut().zip(green).zip(blue) {
        [*red, *green, *blue] = change([*red, *green, *blue]);
    }
}

/// Returns hue, saturation and value, each in 0..=1, of red, green and blue.
fn to_hsv([red, green, blue]: [f32; 3]) -> [f32; 3] {
    let (most, least) = (red.max(green).max(blue), red.min(green).min(blue));
    let range = most - least;
    if range == 0.0 {
        return [0.0, 0.0, most];
    }
    let [r, g, b] = [red, green, blue].map(|value| (most - value) / range);
    let sixths = if most == red {
        b - g
    } else if most == green {
        2.0 + r - b
    } else {
        4.0 + g - r
    };
    [(sixths / 6.0 + 1.0) % 1.0, range / most, most]
}

/// The inverse of [`to_hsv`].
fn to_rgb([hue, saturation, value]: [f32; 3]) -> [f32; 3] {
    let sixths = hue * 6.0;
    let fraction = sixths - sixths.floor();
    let low = (value * (1.0 - saturation)).clamp(0.0, 1.0);
    let falling = (value * (1.0 - saturation * fraction)).clamp(0.0, 1.0);
    let rising = (value * (1.0 - saturation * (1.0 - fraction))).clamp(0.0, 1.0);
    match sixths as u32 % 6 {
        0 => [value, rising, low],
        1 => [falling, value, low],
        2 => [low, value, rising],
        3 => [low, falling, value],
        4 => [rising, low, value],
        _ => [value, low, falling],
    }
}
