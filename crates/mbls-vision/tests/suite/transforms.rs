//! Compares transforms with slow reference implementations; tests of distributions and of the
//! pipeline of `AugmentedImages`.

use mbls_data::{Collate, DataLoader, Dataset, LoaderConfig, Order, Result, Seed};
use mbls_testkit::golden;
use mbls_vision::transform::{Noise, Normalise, PadCropFlip};
use mbls_vision::{AugmentedImages, Image, ImageCollate, LabelledImages, Sample};
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// Returns the image padded, cropped at (`down`, `right`) and flipped, by constructing the padded
/// image.
fn slow_crop(image: &Image, padding: usize, down: usize, right: usize, flip: bool) -> Image {
    let &Image { channels, height, width, .. } = image;
    let padded_width = width + 2 * padding;
    let mut padded = vec![vec![vec![0; padded_width]; height + 2 * padding]; channels];
    let mut pixels = Vec::new();
    for (c, plane) in padded.iter_mut().enumerate() {
        for y in 0..height {
            for x in 0..width {
                plane[y + padding][x + padding] = image.pixels[(c * height + y) * width + x];
            }
        }
        for row in &plane[down..down + height] {
            let mut row = row[right..right + width].to_vec();
            if flip {
                row.reverse();
            }
            pixels.extend(row);
        }
    }
    Image { channels, height, width, pixels }
}

/// Returns an image whose values are all different and not zero, so all its crops differ.
fn distinct_image(channels: usize, height: usize, width: usize) -> Image {
    let pixels = (0..channels * height * width).map(|i| i as u8 + 1).collect();
    Image { channels, height, width, pixels }
}

fn small_set(n: usize) -> Arc<LabelledImages> {
    let pixels = (0..n * 2 * 3 * 4).map(|i| (i * 37 % 251) as u8).collect();
    Arc::new(
        LabelledImages::new("small", [2, 3, 4], pixels, (0..n as u32).collect(), n, 255).unwrap(),
    )
}

proptest! {
    #[test]
    fn a_crop_is_one_of_the_possible_ones(
        channels in 1usize..4, height in 1usize..7, width in 1usize..7, padding in 0usize..4, flip in any::<bool>(), seed in any::<u64>(),
    ) {
        prop_assume!(padding <= height.min(width));
        let image = distinct_image(channels, height, width);
        let output = PadCropFlip { padding, flip }.image(&image, Seed(seed)).unwrap();
        let shifts = 0..=2 * padding;
        let possible = shifts.clone().any(|down| shifts.clone().any(|right| {
            slow_crop(&image, padding, down, right, false) == output
                || (flip && slow_crop(&image, padding, down, right, true) == output)
        }));
        prop_assert!(possible);
        prop_assert_eq!(output, PadCropFlip { padding, flip }.image(&image, Seed(seed)).unwrap());
    }

    #[test]
    fn normalising_is_the_formula(
        values in prop::collection::vec(0f32..1.0, 12), mean in prop::collection::vec(-1f32..1.0, 3), std in prop::collection::vec(0.1f32..3.0, 3),
    ) {
        let mut output = values.clone();
        Normalise::new(mean.clone(), std.clone()).unwrap().apply(&mut output);
        for (i, (&x, &y)) in values.iter().zip(&output).enumerate() {
            let expected = (f64::from(x) - f64::from(mean[i / 4])) / f64::from(std[i / 4]);
            prop_assert!((f64::from(y) - expected).abs() <= 1e-5 * (1.0 + expected.abs()));
        }
    }
}

#[test]
fn every_place_and_both_directions_are_equally_likely() {
    let image = distinct_image(1, 3, 4);
    let (padding, draws) = (1, 18_000);
    let transform = PadCropFlip { padding, flip: true };
    let mut seen = HashMap::<Vec<u8>, u32>::new();
    for seed in 0..draws {
        *seen.entry(transform.image(&image, Seed(seed)).unwrap().pixels).or_default() += 1;
    }
    let mut total = 0;
    for (down, right, flip) in
        (0..3).flat_map(|d| (0..3).flat_map(move |r| [(d, r, false), (d, r, true)]))
    {
        let count =
            seen.get(&slow_crop(&image, padding, down, right, flip).pixels).copied().unwrap_or(0);
        // 1,000 expected, standard deviation 31; the bounds are five standard deviations.
        assert!((845..=1155).contains(&count), "{down} {right} {flip}: {count}");
        total += u64::from(count);
    }
    assert_eq!(total, draws, "some outputs are no crop");
}

#[test]
fn no_padding_and_no_flip_change_nothing() {
    let image = distinct_image(2, 3, 4);
    let transform = PadCropFlip { padding: 0, flip: false };
    assert!((0..50).all(|seed| transform.image(&image, Seed(seed)).unwrap() == image));
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let transform = PadCropFlip { padding: 3, flip: false };
    let message =
        |pixels: &[u8], shape| transform.apply(pixels, shape, Seed(0)).unwrap_err().to_string();
    assert_eq!(
        message(&[0; 11], [1, 3, 4]),
        "image: expected values of shape [1, 3, 4], found 11 values"
    );
    assert_eq!(
        message(&[0; 8], [1, 2, 4]),
        "padding: expected at most the image's side of 2, found 3"
    );
}

#[test]
fn normalisation_matches_the_golden_images() {
    if !golden::directory().join("transforms.json").exists() {
        // Bypasses the test harness, which hides the output of passing tests.
        use std::io::Write;
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: {} has no transforms.json",
            golden::directory().display()
        );
        return;
    }
    let settings = golden::json("transforms.json");
    let tensors = golden::tensors("transforms.safetensors");
    let floats = |name: &str, key: &str| -> Vec<f32> {
        settings[name][key]
            .as_array()
            .unwrap()
            .iter()
            .map(|value| value.as_f64().unwrap() as f32)
            .collect()
    };
    let mut checked = 0;
    // `<set>/image` [H, W, C] u8 becomes `<set>/out` [C, H, W], for sets with settings
    // `normalize_<set>`.
    for (name, image) in &tensors {
        let Some(set) = name.strip_suffix("/image") else { continue };
        let (settings_name, out) = (format!("normalize_{set}"), tensors.get(&format!("{set}/out")));
        let (false, Some(out)) = (settings[&settings_name].is_null(), out) else { continue };
        let planes =
            image.permute((2, 0, 1)).unwrap().flatten_all().unwrap().to_vec1::<u8>().unwrap();
        let mut pixels: Vec<f32> = planes.iter().map(|&value| f32::from(value) / 255.0).collect();
        Normalise::new(floats(&settings_name, "mean"), floats(&settings_name, "std"))
            .unwrap()
            .apply(&mut pixels);
        let expected = out.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        assert_eq!(pixels.len(), expected.len());
        for (found, expected) in pixels.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-6 * (1.0 + expected.abs()),
                "{set}: {found} for {expected}"
            );
        }
        checked += 1;
    }
    assert!(checked > 0, "no golden image was compared");
}

#[test]
fn impossible_settings_are_refused() {
    for (mean, std) in [
        (vec![], vec![]),
        (vec![0.0], vec![0.0]),
        (vec![0.0], vec![1.0, 1.0]),
        (vec![f32::NAN], vec![1.0]),
    ] {
        assert!(Normalise::new(mean, std).is_err());
    }
    for std in [-0.1, f64::NAN, f64::INFINITY] {
        assert!(Noise::new(std, Seed(0)).is_err());
    }
    let error = AugmentedImages::new(small_set(3), vec![0])
        .unwrap()
        .with_normalisation(Normalise::cifar10())
        .unwrap_err();
    assert_eq!(error.to_string(), "normalisation for data set small: expected 2 channels, found 3");
    assert!(AugmentedImages::new(small_set(3), vec![0, 3]).is_err());
}

#[test]
fn noise_has_its_moments_and_is_not_clipped() {
    let mut pixels = vec![0.5f32; 100_000];
    Noise::new(0.35, Seed(1)).unwrap().apply(&mut pixels, 0);
    let n = pixels.len() as f64;
    let mean = pixels.iter().map(|&x| f64::from(x)).sum::<f64>() / n;
    let moment =
        |power| pixels.iter().map(|&x| ((f64::from(x) - mean) / 0.35).powi(power)).sum::<f64>() / n;
    assert!((mean - 0.5).abs() < 0.006, "{mean}");
    assert!(
        (moment(2) - 1.0).abs() < 0.02 && moment(3).abs() < 0.04 && (moment(4) - 3.0).abs() < 0.12
    );
    assert!(pixels.iter().any(|&x| x < 0.0) && pixels.iter().any(|&x| x > 1.0));
}

#[test]
fn noise_belongs_to_the_image() {
    let noise = Noise::new(0.35, Seed(1)).unwrap();
    let noisy = |indices: &[usize]| {
        AugmentedImages::new(small_set(5), indices.to_vec()).unwrap().with_noise(noise)
    };
    let (all, part) = (noisy(&[0, 1, 2, 3, 4]), noisy(&[4, 2]));
    // The split and the epoch's seed have no influence.
    assert_eq!(all.get(2, Seed(7)).unwrap(), part.get(1, Seed(8)).unwrap());
    assert_eq!(all.get(4, Seed(7)).unwrap(), part.get(0, Seed(7)).unwrap());
    let added = |index| {
        let clean = AugmentedImages::new(small_set(5), vec![index])
            .unwrap()
            .get(0, Seed(0))
            .unwrap()
            .pixels;
        let noisy = noisy(&[index]).get(0, Seed(0)).unwrap().pixels;
        clean.iter().zip(noisy).map(|(a, b)| b - a).collect::<Vec<f32>>()
    };
    let (first, second) = (added(0), added(1));
    assert!(
        first.iter().zip(&second).all(|(a, b)| (a - b).abs() > 1e-6),
        "two images share their noise"
    );
    let other_seed = noisy(&[0]).with_noise(Noise::new(0.35, Seed(2)).unwrap());
    assert_ne!(other_seed.get(0, Seed(0)).unwrap(), noisy(&[0]).get(0, Seed(0)).unwrap());
}

#[test]
fn the_pipeline_scales_adds_noise_crops_and_normalises() {
    let images = small_set(4);
    let noise = Noise::new(0.2, Seed(3)).unwrap();
    let crop = PadCropFlip { padding: 2, flip: true };
    let normalise = Normalise::new(vec![0.3, 0.6], vec![0.5, 0.25]).unwrap();
    let data = AugmentedImages::new(images.clone(), vec![3, 1]).unwrap();
    let data = data
        .with_noise(noise)
        .with_augmentation(crop)
        .with_normalisation(normalise.clone())
        .unwrap();
    assert_eq!((data.len(), data.indices(), data.labels()), (2, &[3, 1][..], vec![3, 1]));
    for (place, original) in [(0, 3), (1, 1)] {
        let mut pixels: Vec<f32> =
            images.pixels(original).unwrap().iter().map(|&x| f32::from(x) / 255.0).collect();
        noise.apply(&mut pixels, original);
        let mut expected = crop.apply(&pixels, [2, 3, 4], Seed(11)).unwrap();
        normalise.apply(&mut expected);
        let sample = data.get(place, Seed(11)).unwrap();
        assert_eq!(
            sample,
            Sample { pixels: expected, shape: [2, 3, 4], label: original as u32, partner: None }
        );
    }
    assert!(data.get(2, Seed(0)).is_err());
}

#[test]
fn batches_do_not_depend_on_the_workers() {
    let data = AugmentedImages::new(small_set(40), (0..40).rev().collect()).unwrap();
    let data = Arc::new(data.with_augmentation(PadCropFlip { padding: 2, flip: true }));
    let batches = |workers| {
        let config = LoaderConfig {
            batch_size: 7,
            order: Order::Shuffled,
            drop_last: false,
            workers,
            seed: Seed(4),
        };
        let loader = DataLoader::new(Arc::clone(&data), Arc::new(ImageCollate), config).unwrap();
        (0..2).flat_map(|epoch| loader.epoch(epoch)).collect::<Result<Vec<_>>>().unwrap()
    };
    let expected = batches(0);
    assert_eq!(
        (expected.len(), expected[0].shape, expected[5].shape),
        (12, [7, 2, 3, 4], [5, 2, 3, 4])
    );
    assert!([1, 2, 4].into_iter().all(|workers| batches(workers) == expected));
}

#[test]
fn a_batch_takes_one_shape() {
    let sample = |shape: [usize; 3]| Sample {
        pixels: vec![0.0; shape.iter().product()],
        shape,
        label: 1,
        partner: None,
    };
    let batch = ImageCollate.collate(vec![sample([1, 2, 3]), sample([1, 2, 3])]).unwrap();
    assert_eq!((batch.shape, batch.pixels.len(), &batch.labels), ([2, 1, 2, 3], 12, &vec![1, 1]));
    let images = batch.images(&candle_core::Device::Cpu).unwrap();
    assert_eq!(
        (images.dims(), batch.labels(&candle_core::Device::Cpu).unwrap().dims()),
        (&[2, 1, 2, 3][..], &[2][..])
    );
    let error =
        ImageCollate.collate(vec![sample([1, 2, 3]), sample([1, 3, 2])]).unwrap_err().to_string();
    assert!(
        error.starts_with("sample 1 of the batch: expected 6 values of shape [1, 2, 3]"),
        "{error}"
    );
    assert!(ImageCollate.collate(vec![]).is_err());
}
