//! Compares image transforms with slow reference implementations; tests of distributions.

use mbls_data::Seed;
use mbls_vision::Image;
use mbls_vision::transform::{
    CenterCrop, ColourJitter, HorizontalFlip, ImageTransform, Pad, RandomCrop, RandomResizedCrop,
    Resize, Size, Strength, VerticalFlip, Window, apply_all,
};
use proptest::prelude::*;
use std::collections::HashMap;

/// Returns an image whose values within a plane are all different, if it has at most 255 pixels,
/// and not zero.
pub(crate) fn distinct_image(channels: usize, height: usize, width: usize) -> Image {
    let pixels = (0..channels * height * width).map(|i| (i % 255) as u8 + 1).collect();
    Image { channels, height, width, pixels }
}

/// Cuts the window out of the padded image, value by value.
fn slow_crop(image: &Image, padding: usize, value: u8, window: Window) -> Image {
    let mut pixels = Vec::new();
    for c in 0..image.channels {
        for y in window.top..window.top + window.height {
            for x in window.left..window.left + window.width {
                let inside = y >= padding
                    && x >= padding
                    && y - padding < image.height
                    && x - padding < image.width;
                let at =
                    || image.pixels[(c * image.height + y - padding) * image.width + x - padding];
                pixels.push(if inside { at() } else { value });
            }
        }
    }
    Image { channels: image.channels, height: window.height, width: window.width, pixels }
}

fn size() -> impl Strategy<Value = Size> {
    prop_oneof![
        (0usize..24).prop_map(Size::Side),
        [0usize..24, 0usize..24].prop_map(Size::HeightWidth)
    ]
}

fn strength() -> impl Strategy<Value = Strength> {
    prop_oneof![
        (-0.2f64..1.5).prop_map(Strength::Around),
        [-0.6f64..1.5, -0.4f64..2.0].prop_map(Strength::Between)
    ]
}

fn transform() -> impl Strategy<Value = ImageTransform> {
    prop_oneof![
        (size(), any::<bool>()).prop_map(|(size, antialias)| Resize { size, antialias }.into()),
        size().prop_map(|size| CenterCrop { size }.into()),
        (size(), 0usize..6, any::<u8>()).prop_map(|(size, padding, value)| RandomCrop {
            size,
            padding,
            value
        }
        .into()),
        (0usize..9, any::<u8>()).prop_map(|(padding, value)| Pad { padding, value }.into()),
        (-0.1f64..1.1).prop_map(|probability| HorizontalFlip { probability }.into()),
        (-0.1f64..1.1).prop_map(|probability| VerticalFlip { probability }.into()),
        (size(), [1e-6f64..2.0, 0.5f64..1e6], [1e-6f64..2.0, 0.5f64..1e6], any::<bool>()).prop_map(
            |(size, scale, ratio, antialias)| RandomResizedCrop { size, scale, ratio, antialias }
                .into()
        ),
        [strength(), strength(), strength(), strength()].prop_map(
            |[brightness, contrast, saturation, hue]| {
                ColourJitter { brightness, contrast, saturation, hue }.into()
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    /// No image and settings cause a panic; the output has the shape that `output_shape` returns,
    /// and is an error if that is one.
    #[test]
    fn outputs_have_the_shape_that_was_announced(
        transform in transform(), channels in 1usize..5, height in 1usize..30, width in 1usize..30, seed in any::<u64>(),
    ) {
        let image = distinct_image(channels, height, width);
        match (transform.output_shape(image.shape()), transform.apply(&image, Seed(seed))) {
            (Ok(shape), Ok(output)) => {
                prop_assert_eq!(output.shape(), shape);
                prop_assert!(output.validate().is_ok());
                prop_assert!(transform.fixed_size().is_none_or(|[height, width]| shape[1..] == [height, width]));
                prop_assert_eq!(Ok(output), transform.apply(&image, Seed(seed)).map_err(|e| e.to_string()));
            }
            (Err(expected), Err(found)) => prop_assert_eq!(expected.to_string(), found.to_string()),
            (shape, output) => prop_assert!(false, "announced {:?}, came out {:?}", shape, output.map(|o| o.shape())),
        }
    }

    #[test]
    fn a_resized_crop_is_its_window_resized(
        height in 1usize..40, width in 1usize..40, side in 1usize..20, least in 0.02f64..1.0, seed in any::<u64>(),
    ) {
        let image = distinct_image(3, height, width);
        let crop = RandomResizedCrop { scale: [least, 1.0], ..RandomResizedCrop::new(Size::Side(side)) };
        let seed = Seed(seed);
        let window = crop.window([height, width], seed).unwrap();
        let part = slow_crop(&image, 0, 0, window);
        prop_assert_eq!(&part, &window.of(&image).unwrap());
        let resize = ImageTransform::from(Resize { size: Size::HeightWidth([side, side]), antialias: true });
        prop_assert_eq!(resize.apply(&part, seed).unwrap(), ImageTransform::from(crop).apply(&image, seed).unwrap());
    }

    /// A triangle filter in floats, both directions at once, whose width scales with the reduction.
    #[test]
    fn resize_is_the_triangle_filter(
        from in [1usize..40, 1usize..40], to in [1usize..40, 1usize..40], antialias in any::<bool>(), seed in any::<u64>(),
    ) {
        use rand::RngExt;
        let mut rng = Seed(seed).rng();
        let pixels: Vec<u8> = (0..from[0] * from[1]).map(|_| rng.random()).collect();
        let image = Image { channels: 1, height: from[0], width: from[1], pixels };
        let resize = ImageTransform::from(Resize { size: Size::HeightWidth(to), antialias });
        let found = resize.apply(&image, Seed(0)).unwrap();
        let weights = |from: usize, to: usize, place: usize| -> Vec<f64> {
            let scale = from as f64 / to as f64;
            let reach = if antialias { scale.max(1.0) } else { 1.0 };
            let center = (place as f64 + 0.5) * scale - 0.5;
            let mut weights = vec![0.0; from];
            // Without the wide filter, the outside repeats the border; with it, the outside is left
            // out.
            for k in -60i64..100 {
                let weight = (1.0 - (k as f64 - center).abs() / reach).max(0.0);
                if !antialias || (0..from as i64).contains(&k) {
                    weights[k.clamp(0, from as i64 - 1) as usize] += weight;
                }
            }
            let total: f64 = weights.iter().sum();
            weights.into_iter().map(|weight| weight / total).collect()
        };
        for y in 0..to[0] {
            let rows = weights(from[0], to[0], y);
            for x in 0..to[1] {
                let columns = weights(from[1], to[1], x);
                let mut expected = 0.0;
                for (i, row) in rows.iter().enumerate() {
                    for (j, column) in columns.iter().enumerate() {
                        expected += row * column * f64::from(image.pixels[i * from[1] + j]);
                    }
                }
                let found = f64::from(found.pixels[y * to[1] + x]);
                // Rounded to 8 bits once per direction.
                prop_assert!((found - expected).abs() <= 1.05, "{from:?} to {to:?}, {y} {x}: {found} for {expected}");
            }
        }
    }
}

#[test]
fn every_place_of_a_random_crop_is_equally_likely() {
    let image = distinct_image(2, 3, 4);
    let (padding, value, draws) = (1, 0, 12_000u64);
    let crop = ImageTransform::from(RandomCrop { size: Size::HeightWidth([2, 5]), padding, value });
    let mut seen = HashMap::<Vec<u8>, u32>::new();
    for seed in 0..draws {
        *seen.entry(crop.apply(&image, Seed(seed)).unwrap().pixels).or_default() += 1;
    }
    let mut total = 0;
    for (top, left) in (0..4).flat_map(|top| (0..2).map(move |left| (top, left))) {
        let expected = slow_crop(&image, padding, value, Window { top, left, height: 2, width: 5 });
        let count = seen.get(&expected.pixels).copied().unwrap_or(0);
        // 1,500 expected, standard deviation 36; the bounds are five standard deviations.
        assert!((1320..=1680).contains(&count), "{top} {left}: {count}");
        total += u64::from(count);
    }
    assert_eq!(total, draws, "some outputs are no crop");
}

#[test]
fn flips_happen_as_often_as_they_should() {
    let image = distinct_image(2, 3, 4);
    let rearranged = |from: fn(usize, usize) -> (usize, usize)| {
        let places =
            (0..2).flat_map(|c| (0..3).flat_map(move |y| (0..4).map(move |x| (c, from(y, x)))));
        let pixels = places.map(|(c, (y, x))| image.pixels[(c * 3 + y) * 4 + x]).collect();
        Image { pixels, ..image }
    };
    let horizontal = rearranged(|y, x| (y, 3 - x));
    let vertical = rearranged(|y, x| (2 - y, x));
    for probability in [0.0, 0.2, 0.5, 1.0] {
        let flips: [(ImageTransform, &Image); 2] = [
            (HorizontalFlip { probability }.into(), &horizontal),
            (VerticalFlip { probability }.into(), &vertical),
        ];
        for (flip, flipped) in flips {
            let mut count = 0;
            for seed in 0..10_000 {
                let output = flip.apply(&image, Seed(seed)).unwrap();
                assert!(output == image || output == *flipped);
                count += i32::from(output == *flipped);
            }
            let deviation = (10_000.0 * probability * (1.0 - probability)).sqrt();
            assert!(
                (f64::from(count) - 10_000.0 * probability).abs() <= 5.0 * deviation,
                "{probability}: {count}"
            );
        }
    }
}

#[test]
fn colour_factors_are_uniform_and_orders_equally_likely() {
    let grey = |value| Image { channels: 1, height: 1, width: 1, pixels: vec![value] };
    let jitter = ImageTransform::from(ColourJitter {
        brightness: Strength::Around(0.5),
        ..Default::default()
    });
    let mut counts = [0; 10];
    for seed in 0..20_000 {
        let value = jitter.apply(&grey(200), Seed(seed)).unwrap().pixels[0];
        assert!((100..=255).contains(&value));
        // Factors from .5 to 1.275; above, the value is clipped.
        counts[(usize::from(value) - 100) / 16] += 1;
    }
    // The range has 200 values, so the first nine bins get 16 each.
    assert!(counts[..9].iter().all(|count| (1400..=1800).contains(count)), "{counts:?}");
    assert!((20_000 - counts[..9].iter().sum::<i32>() - 5600i32).abs() < 350, "{counts:?}");

    // Brightness first: 20 and 220 become 40 and 255, then contrast 0 makes both 147. Contrast
    // first: 120, then 240.
    let two = Image { channels: 1, height: 1, width: 2, pixels: vec![20, 220] };
    let fixed = |x| Strength::Between([x, x]);
    let jitter =
        ColourJitter { brightness: fixed(2.0), contrast: fixed(0.0), ..Default::default() };
    let mut first = 0;
    for seed in 0..10_000 {
        match ImageTransform::from(jitter).apply(&two, Seed(seed)).unwrap().pixels[..] {
            [147, 147] => first += 1,
            [240, 240] => {}
            ref other => panic!("{other:?}"),
        }
    }
    assert!((4750..=5250).contains(&first), "{first}");
}

/// A case in which torchvision's rounding leaves no row or no column.
#[test]
fn the_middle_of_a_tiny_image_has_a_pixel() {
    for (size, ratio) in
        [([1, 1], [3.0, 4.0]), ([1, 1], [0.1, 0.2]), ([5, 2], [7.0, 9.0]), ([2, 5], [0.1, 0.2])]
    {
        let crop = RandomResizedCrop {
            scale: [50.0, 60.0],
            ratio,
            ..RandomResizedCrop::new(Size::Side(3))
        };
        let window = crop.window(size, Seed(1)).unwrap();
        assert!(window.height >= 1 && window.width >= 1, "{size:?} {ratio:?}: {window:?}");
        let image = distinct_image(1, size[0], size[1]);
        assert_eq!(ImageTransform::from(crop).apply(&image, Seed(1)).unwrap().shape(), [1, 3, 3]);
    }
}

#[test]
fn nothing_asked_for_changes_nothing() {
    let image = distinct_image(3, 5, 7);
    let same: [ImageTransform; 6] = [
        ColourJitter::default().into(),
        Resize { size: Size::HeightWidth([5, 7]), antialias: true }.into(),
        Resize { size: Size::Side(5), antialias: false }.into(),
        CenterCrop { size: Size::HeightWidth([5, 7]) }.into(),
        Pad { padding: 0, value: 9 }.into(),
        RandomCrop { size: Size::HeightWidth([5, 7]), padding: 0, value: 9 }.into(),
    ];
    for transform in same {
        assert_eq!(transform.apply(&image, Seed(1)).unwrap(), image, "{transform:?}");
    }
    assert_eq!(apply_all(&[], image.clone(), Seed(1)).unwrap(), image);
}
