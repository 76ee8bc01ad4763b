//! Compares mixup, CutMix and corruptions with slow reference implementations; tests of
//! distributions and batches of mixed samples.

use candle_core::Device;
use mbls_data::{Collate, Dataset, Error, Result, Seed};
use mbls_vision::transform::{Corruption, CorruptionKind};
use mbls_vision::{
    AugmentedImages, Corrupted, Image, ImageBatch, ImageCollate, ImageSource, LabelledImages, Mix,
    Mixed, Partner, Sample,
};
use std::sync::Arc;

/// Sample i is of class i. All its values are i plus a fraction that depends on the seed, so each
/// seed gives a different sample.
#[derive(Debug)]
struct Flat {
    len: usize,
    shape: [usize; 3],
}

impl Dataset for Flat {
    type Item = Sample;

    fn len(&self) -> usize {
        self.len
    }

    fn get(&self, index: usize, seed: Seed) -> Result<Sample> {
        if index >= self.len {
            return Err(Error::Index { index, len: self.len });
        }
        let value = index as f32 + (seed.0 % 64) as f32 / 128.0;
        Ok(Sample {
            pixels: vec![value; self.shape.iter().product()],
            shape: self.shape,
            label: index as u32,
            partner: None,
        })
    }
}

const MIXES: [fn(f64, f64) -> Mix; 2] = [
    |alpha, probability| Mix::Mixup { alpha, probability },
    |alpha, probability| Mix::CutMix { alpha, probability },
];

fn mixed(mix: Mix, shape: [usize; 3]) -> Mixed<Flat> {
    Mixed::new(Arc::new(Flat { len: 16, shape }), mix).unwrap()
}

#[test]
fn mixup_is_the_weighted_mean() {
    let data = mixed(Mix::Mixup { alpha: 0.5, probability: 1.0 }, [2, 3, 4]);
    let mut seen = [0; 16];
    let mut fresh = 0;
    for seed in (0..4000).map(Seed) {
        let own = data.dataset().get(5, seed).unwrap();
        let sample = data.get(5, seed).unwrap();
        let Partner { label, weight } = sample.partner.unwrap();
        assert!((0.0..=1.0).contains(&weight) && sample.label == 5 && sample.shape == own.shape);
        let value = sample.pixels[0];
        assert!(sample.pixels.iter().all(|&x| x == value));
        // The partner's value, computed if its weight is large enough.
        if weight > 0.1 {
            let partner = (value - (1.0 - weight) * own.pixels[0]) / weight;
            assert!(
                (partner - label as f32) > -1e-3 && (partner - label as f32) < 0.5,
                "{partner} of class {label}"
            );
            let fraction = |x: f32| x - x.floor();
            fresh += i32::from((fraction(partner + 1e-4) - fraction(own.pixels[0])).abs() > 5e-3);
        } else {
            assert!((value - own.pixels[0]).abs() <= 1.7);
        }
        seen[label as usize] += 1;
        assert_eq!(sample, data.get(5, seed).unwrap());
    }
    // 250 expected, standard deviation 15.
    assert!(seen.iter().all(|count| (175..=325).contains(count)), "{seen:?}");
    assert!(fresh > 1500, "the partner is prepared with the sample's own seed: {fresh}");
}

#[test]
fn cutmix_pastes_one_rectangle() {
    for (height, width) in [(7, 10), (32, 32), (1, 1), (2, 5)] {
        let data = mixed(Mix::CutMix { alpha: 1.0, probability: 1.0 }, [2, height, width]);
        for seed in (0..500).map(Seed) {
            let own = data.dataset().get(3, seed).unwrap().pixels[0];
            let sample = data.get(3, seed).unwrap();
            let partner = sample.partner.unwrap();
            let plane = height * width;
            let (first, second) = sample.pixels.split_at(plane);
            assert_eq!(first, second, "the channels have one rectangle");
            let pasted: Vec<usize> = (0..plane).filter(|&i| first[i] != own).collect();
            if partner.label == 3 && pasted.is_empty() {
                continue;
            }
            assert_eq!(partner.weight, pasted.len() as f32 / plane as f32);
            assert!(pasted.iter().all(|&i| first[i].floor() == partner.label as f32));
            // The pixels fill their bounding box.
            let rows = pasted.iter().map(|i| i / width);
            let columns = pasted.iter().map(|i| i % width);
            if let (Some(top), Some(left)) = (rows.clone().min(), columns.clone().min()) {
                let size = (rows.max().unwrap() - top + 1) * (columns.max().unwrap() - left + 1);
                assert_eq!(size, pasted.len());
            }
        }
    }
}

/// The moments of lambda are known, so no reference implementation is needed.
#[test]
fn weights_have_the_moments_of_beta() {
    for alpha in [0.01, 0.2, 0.5, 1.0, 2.0, 100.0] {
        let data = mixed(Mix::Mixup { alpha, probability: 1.0 }, [1, 1, 1]);
        let n = 20_000;
        let weights: Vec<f64> = (0..n)
            .map(|s| f64::from(data.get(0, Seed(s)).unwrap().partner.unwrap().weight))
            .collect();
        assert!(weights.iter().all(|weight| (0.0..=1.0).contains(weight)), "{alpha}");
        let mean = weights.iter().sum::<f64>() / n as f64;
        let variance = weights.iter().map(|x| (x - 0.5) * (x - 0.5)).sum::<f64>() / n as f64;
        let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
        assert!((mean - 0.5).abs() <= 5.0 * (expected / n as f64).sqrt(), "{alpha}: mean {mean}");
        assert!(
            (variance / expected - 1.0).abs() <= 0.06,
            "{alpha}: variance {variance} for {expected}"
        );
    }
}

/// Compares the mean area of the rectangle, reduced by the part outside of the image, with a
/// reference implementation that uses its own random numbers.
#[test]
fn cutmix_areas_have_their_distribution() {
    use rand::RngExt;
    let (height, width, n) = (20usize, 30usize, 20_000u64);
    let data = mixed(Mix::CutMix { alpha: 1.0, probability: 1.0 }, [1, height, width]);
    let areas: Vec<f64> =
        (0..n).map(|s| f64::from(data.get(0, Seed(s)).unwrap().partner.unwrap().weight)).collect();
    let mut rng = Seed(99).rng();
    // Beta(1, 1) is uniform.
    let slow: Vec<f64> = (0..n)
        .map(|_| {
            let share: f64 = rng.random();
            let (y, x) = (rng.random_range(0..height), rng.random_range(0..width));
            let half = |size: usize| (share.sqrt() * size as f64 / 2.0) as usize;
            let inside =
                |i: usize, middle: usize, half: usize| i + half >= middle && i < middle + half;
            let rows = (0..height).filter(|&i| inside(i, y, half(height))).count();
            let columns = (0..width).filter(|&i| inside(i, x, half(width))).count();
            (rows * columns) as f64 / (height * width) as f64
        })
        .collect();
    let moment = |x: &[f64], power| x.iter().map(|x| x.powi(power)).sum::<f64>() / n as f64;
    for power in 1..=3 {
        let (found, expected) = (moment(&areas, power), moment(&slow, power));
        assert!((found / expected - 1.0).abs() <= 0.06, "{power}: {found} for {expected}");
    }
}

#[test]
fn as_many_are_mixed_as_asked_for_and_the_rest_are_untouched() {
    for mix in MIXES {
        for probability in [0.0, 0.3, 1.0] {
            let data = mixed(mix(1.0, probability), [1, 4, 4]);
            let mut count = 0;
            for seed in (0..5000).map(Seed) {
                let sample = data.get(7, seed).unwrap();
                match sample.partner {
                    Some(_) => count += 1,
                    None => assert_eq!(sample, data.dataset().get(7, seed).unwrap()),
                }
            }
            let deviation = (5000.0 * probability * (1.0 - probability)).sqrt();
            assert!(
                (f64::from(count) - 5000.0 * probability).abs() <= 5.0 * deviation,
                "{probability}: {count}"
            );
            assert_eq!(data.len(), 16);
            assert!(data.get(16, Seed(0)).is_err());
        }
    }
}

/// Every second sample has a different shape.
#[derive(Debug)]
struct Uneven;

impl Dataset for Uneven {
    type Item = Sample;

    fn len(&self) -> usize {
        2
    }

    fn get(&self, index: usize, _seed: Seed) -> Result<Sample> {
        Ok(Sample {
            pixels: vec![0.0; 2],
            shape: if index == 0 { [1, 1, 2] } else { [1, 2, 1] },
            label: 0,
            partner: None,
        })
    }
}

#[test]
fn what_cannot_be_mixed_is_refused() {
    for mix in MIXES {
        for (alpha, probability) in [
            (0.0, 1.0),
            (-1.0, 1.0),
            (f64::NAN, 1.0),
            (f64::INFINITY, 1.0),
            (1.0, -0.1),
            (1.0, f64::NAN),
        ] {
            assert!(Mixed::new(Arc::new(Uneven), mix(alpha, probability)).is_err());
        }
        let uneven = Mixed::new(Arc::new(Uneven), mix(1.0, 1.0)).unwrap();
        let errors: Vec<String> =
            (0..50).filter_map(|s| uneven.get(0, Seed(s)).err()).map(|e| e.to_string()).collect();
        assert!(!errors.is_empty() && errors.len() < 50);
        assert!(
            errors
                .iter()
                .all(|e| e.ends_with("partner 1: expected shape [1, 1, 2], found [1, 2, 1]")),
            "{errors:?}"
        );
        let twice = Mixed::new(Arc::new(mixed(mix(1.0, 1.0), [1, 1, 1])), mix(1.0, 1.0)).unwrap();
        assert!(
            twice
                .get(0, Seed(0))
                .unwrap_err()
                .to_string()
                .contains("samples that are not mixed yet")
        );
    }
    let parsed: Mix = toml::from_str("kind = \"cutmix\"\nalpha = 1").unwrap();
    assert_eq!(parsed, Mix::CutMix { alpha: 1.0, probability: 1.0 });
    let parsed: Mix = toml::from_str("kind = \"mixup\"\nalpha = 0.2\nprobability = 0.5").unwrap();
    assert_eq!(parsed, Mix::Mixup { alpha: 0.2, probability: 0.5 });
    for wrong in
        ["kind = \"mixup\"", "kind = \"mixup\"\nalpha = 1\nbeta = 1", "kind = \"blend\"\nalpha = 1"]
    {
        assert!(toml::from_str::<Mix>(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_batch_has_the_shares_of_its_classes() {
    let sample = |label, partner| Sample { pixels: vec![0.0], shape: [1, 1, 1], label, partner };
    let partner = |label, weight| Some(Partner { label, weight });
    let batch = ImageCollate
        .collate(vec![sample(1, None), sample(2, partner(0, 0.25)), sample(1, partner(1, 0.5))])
        .unwrap();
    let expected = [(1, 0.0), (0, 0.25), (1, 0.5)].map(|(label, weight)| Partner { label, weight });
    assert_eq!(batch.partners.as_deref(), Some(&expected[..]));
    let targets = |batch: &ImageBatch, classes| {
        batch.soft_targets(classes, &Device::Cpu).map(|t| t.to_vec2::<f32>().unwrap())
    };
    assert_eq!(targets(&batch, 3).unwrap(), [[0.0, 1.0, 0.0], [0.25, 0.0, 0.75], [0.0, 1.0, 0.0]]);
    assert!(
        targets(&batch, 2)
            .unwrap_err()
            .to_string()
            .contains("label of image 1: expected 0..2, found 2")
    );
    let plain = ImageCollate.collate(vec![sample(1, None), sample(0, None)]).unwrap();
    assert_eq!(plain.partners, None);
    assert_eq!(targets(&plain, 2).unwrap(), [[0.0, 1.0], [1.0, 0.0]]);
    let broken = ImageBatch { partners: Some(vec![]), ..plain };
    assert!(targets(&broken, 2).unwrap_err().to_string().contains("0 partners of 2 images"));
}

fn photograph(channels: usize) -> Image {
    let pixels =
        (0..channels * 40 * 50).map(|i| (127.0 + 120.0 * (i as f64 * 0.01).sin()) as u8).collect();
    Image { channels, height: 40, width: 50, pixels }
}

#[test]
fn corrupted_images_are_the_same_each_time_and_worse_with_severity() {
    let pixels: Vec<u8> = (0..6)
        .flat_map(|i| photograph(3).pixels.into_iter().map(move |x| x / 2 + i * 20))
        .collect();
    let images = Arc::new(
        LabelledImages::new("six", [3, 40, 50], pixels, vec![0, 1, 0, 1, 0, 1], 2, 255).unwrap(),
    );
    let mut digests = vec![images.digest()];
    for kind in CorruptionKind::ALL {
        let mut before = 0.0;
        for severity in 1..=5 {
            let corrupted = Corrupted::new(images.clone(), Corruption { kind, severity }).unwrap();
            assert_eq!((corrupted.labels(), corrupted.classes()), (images.labels(), 2));
            assert_eq!(
                (corrupted.common_shape(), corrupted.channels(), corrupted.full_scale()),
                (Some([3, 40, 50]), 3, 255)
            );
            let (clean, found) = (images.image(4).unwrap(), corrupted.image(4).unwrap());
            assert_eq!(found, Corruption { kind, severity }.apply(&clean, 255, 4).unwrap());
            let squares = clean
                .pixels
                .iter()
                .zip(&found.pixels)
                .map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2));
            let distance = squares.sum::<f64>();
            assert!(distance > before, "{kind:?} {severity}: {distance} after {before}");
            before = distance;
            digests.push(corrupted.digest());
            // The split has no influence.
            let part = AugmentedImages::new(Arc::new(corrupted), vec![5, 4]).unwrap();
            assert_eq!(part.get(1, Seed(1)).unwrap().pixels, found.scaled(255));
        }
    }
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 21);
    assert_eq!(Corruption::all().count(), 20);
}

#[test]
fn the_noise_has_its_strength_and_belongs_to_the_image() {
    let grey = Image { channels: 3, height: 100, width: 100, pixels: vec![128; 30_000] };
    for (severity, c) in (1..=5).zip([0.04, 0.06, 0.08, 0.09, 0.10]) {
        let corruption = Corruption { kind: CorruptionKind::GaussianNoise, severity };
        let noise = |index| {
            let noisy = corruption.apply(&grey, 255, index).unwrap();
            noisy.pixels.iter().map(|&x| f64::from(x) - 128.0).collect::<Vec<f64>>()
        };
        let (first, second) = (noise(0), noise(1));
        let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let squares: Vec<f64> = first.iter().map(|x| x * x).collect();
        let products: Vec<f64> = first.iter().zip(&second).map(|(a, b)| a * b).collect();
        let std = 255.0 * c;
        assert!(mean(&first).abs() < 5.0 * std / 173.0, "{severity}");
        // Rounding adds 1/12 to the variance.
        assert!(((mean(&squares) - 1.0 / 12.0).sqrt() / std - 1.0).abs() < 0.02, "{severity}");
        assert!((mean(&products) / (std * std)).abs() < 0.03, "two images share their noise");
        // The same noise at five strengths.
        let mild = Corruption { kind: CorruptionKind::GaussianNoise, severity: 1 }
            .apply(&grey, 255, 0)
            .unwrap();
        let scaled = mild.pixels.iter().map(|&x| (f64::from(x) - 128.0) * c / 0.04);
        assert!(scaled.zip(&first).all(|(a, b)| (a - b).abs() <= 0.5 * c / 0.04 + 0.5001));
    }
}

#[test]
fn corruptions_take_any_image_and_refuse_other_severities() {
    for corruption in Corruption::all() {
        for (channels, height, width) in [(1, 1, 1), (2, 1, 7), (3, 9, 1), (4, 2, 2)] {
            let pixels = (0..channels * height * width).map(|i| (i * 83 % 17) as u8).collect();
            let image = Image { channels, height, width, pixels };
            let found = corruption.apply(&image, 16, 0).unwrap();
            assert_eq!(found.shape(), image.shape());
            assert!(found.pixels.iter().all(|&x| x <= 16));
        }
        let broken = Image { channels: 1, height: 2, width: 2, pixels: vec![0; 3] };
        assert!(corruption.apply(&broken, 255, 0).is_err());
        let written = serde_json::to_value(corruption).unwrap();
        assert_eq!(written["kind"], corruption.kind.name());
        assert_eq!(serde_json::from_value::<Corruption>(written).unwrap(), corruption);
    }
    for severity in [0, 6, 255] {
        let corruption = Corruption { kind: CorruptionKind::Contrast, severity };
        let error = corruption.apply(&photograph(1), 255, 0).unwrap_err().to_string();
        assert_eq!(error, format!("contrast: severity: expected 1..=5, found {severity}"));
        let images =
            Arc::new(LabelledImages::new("one", [1, 1, 1], vec![0], vec![0], 1, 255).unwrap());
        assert!(Corrupted::new(images, corruption).is_err());
    }
    // A constant image is unchanged by blur and contrast.
    let flat = Image { channels: 3, height: 6, width: 5, pixels: vec![77; 90] };
    for kind in [CorruptionKind::GaussianBlur, CorruptionKind::Contrast] {
        assert_eq!(Corruption { kind, severity: 5 }.apply(&flat, 255, 0).unwrap(), flat);
    }
    assert!(Corruption { kind: CorruptionKind::Contrast, severity: 1 }.apply(&flat, 0, 0).is_err());
}
