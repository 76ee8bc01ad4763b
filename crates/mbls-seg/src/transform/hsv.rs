//! Conversion between RGB and OpenCV's 8-bit HSV: hue in steps of two degrees (0..180), saturation
//! and value in 0..=255.

/// `cvtColor(.., COLOR_RGB2HSV)`, in 12-bit fixed point like OpenCV.
pub(super) struct FromRgb {
    /// `255 / value`.
    saturation: [i32; 256],
    /// `30 / range`.
    hue: [i32; 256],
}

impl FromRgb {
    const SHIFT: i32 = 12;

    pub(super) fn new() -> Self {
        // Rounded half to even; 0 for division by 0.
        let parts = |whole: i32| {
            std::array::from_fn(|by| match by {
                0 => 0,
                _ => (f64::from(whole << Self::SHIFT) / by as f64).round_ties_even() as i32,
            })
        };
        Self { saturation: parts(255), hue: parts(180 / 6) }
    }

    pub(super) fn apply(&self, [red, green, blue]: [u8; 3]) -> [u8; 3] {
        let most = red.max(green).max(blue);
        let range = most - red.min(green).min(blue);
        let (saturation, hue) = (self.saturation[usize::from(most)], self.hue[usize::from(range)]);
        let [r, g, b, range] = [red, green, blue, range].map(i32::from);
        let sixth = if most == red {
            g - b
        } else if most == green {
            b - r + 2 * range
        } else {
            r - g + 4 * range
        };
        let rounded = |x: i32| (x + (1 << (Self::SHIFT - 1))) >> Self::SHIFT;
        let hue = rounded(sixth * hue);
        let hue = if hue < 0 { hue + 180 } else { hue };
        [hue as u8, rounded(range * saturation) as u8, most]
    }
}

/// `cvtColor(.., COLOR_HSV2RGB)`, in f32 like OpenCV; hue is below 180.
///
/// OpenCV truncates the values of blocks of 32 pixels, and rounds those of the remaining pixels of
/// a row. This function truncates all values.
pub(super) fn to_rgb([hue, saturation, value]: [u8; 3]) -> [u8; 3] {
    let (s, v) = (f32::from(saturation) * (1.0 / 255.0), f32::from(value) * (1.0 / 255.0));
    let h = f32::from(hue) * (6.0 / 180.0);
    let sector = h.floor();
    let fraction = h - sector;
    // `1 - s * x`, rounded once, because the product is exact in f64.
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
