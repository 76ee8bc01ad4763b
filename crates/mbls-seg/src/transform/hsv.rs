//! OpenCV's 8-bit colours: hue in steps of two degrees, 0..180, saturation and value 0..=255.

/// `cvtColor(.., COLOR_RGB2HSV)`, in integers as there: fractions of 2^12.
pub(super) fn from_rgb([red, green, blue]: [u8; 3]) -> [u8; 3] {
    const SHIFT: i32 = 12;
    let [r, g, b] = [red, green, blue].map(i32::from);
    let value = r.max(g).max(b);
    let range = value - r.min(g).min(b);
    // `steps / by`, rounded, halves to even; 0 where there is nothing to divide by.
    let part = |steps: f64, by: i32| if by == 0 { 0 } else { (steps / f64::from(by)).round_ties_even() as i32 };
    let rounded = |x: i32| (x + (1 << (SHIFT - 1))) >> SHIFT;
    let sixth = if value == r {
        g - b
    } else if value == g {
        b - r + 2 * range
    } else {
        r - g + 4 * range
    };
    let saturation = rounded(range * part(f64::from(255 << SHIFT), value));
    let hue = rounded(sixth * part(f64::from(180 << SHIFT) / 6.0, range));
    let hue = if hue < 0 { hue + 180 } else { hue };
    [hue.clamp(0, 255) as u8, saturation as u8, value as u8]
}

/// `cvtColor(.., COLOR_HSV2RGB)`, in f32 as there; hue is below 180.
///
/// OpenCV takes 32 pixels of a row at once and drops the fractions of their values; what is left of a row it rounds. Here all fractions are dropped.
pub(super) fn to_rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    let (s, v) = (f32::from(saturation) * (1.0 / 255.0), f32::from(value) * (1.0 / 255.0));
    let h = f32::from(hue) * (6.0 / 180.0);
    let sector = h.floor();
    let fraction = h - sector;
    // `1 - s * x`, rounded once: in f64 the product is exact.
    let rest = |x: f32| (1.0 - f64::from(s) * f64::from(x)) as f32;
    let low = v * (1.0 - s);
    let falling = v * rest(fraction);
    let rising = v * rest(1.0 - fraction);
    let rgb = match sector as u32 % 6 {
        0 => [v, rising, low],
        1 => [falling, v, low],
        2 => [low, v, rising],
        3 => [low, falling, v],
        4 => [rising, low, v],
        _ => [v, low, falling],
    };
    rgb.map(|x| (x * 255.0) as u8)
}
