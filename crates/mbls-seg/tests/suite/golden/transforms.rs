//! Joint transforms and normalisation against albumentations 1.1.0 on OpenCV.

use candle_core::{Device, Tensor};
use mbls_data::{Collate, Seed};
use mbls_seg::dataset::{Mask, SegmentationCollate, SegmentationSample, VOID};
use mbls_seg::transform::{JointTransform, LongestSide, PadTo, apply_all};
use mbls_testkit::golden;
use mbls_vision::Image;
use mbls_vision::transform::Normalise;
use serde_json::Value;

fn settings() -> Option<Value> {
    if golden::directory().join("transforms.json").exists() {
        return Some(golden::json("transforms.json"));
    }
    // Bypasses the test harness, which captures the output of passing tests.
    use std::io::Write;
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: {} has no transforms.json",
        golden::directory().display()
    );
    None
}

fn number(value: &Value) -> usize {
    value.as_u64().expect("a whole number") as usize
}

fn pair(value: &Value) -> [usize; 2] {
    [number(&value[0]), number(&value[1])]
}

/// Returns the transforms `longest-side` and `pad`.
fn chain(longest: usize, pad: usize) -> [JointTransform; 2] {
    [LongestSide { size: longest }.into(), PadTo { size: pad, value: 0 }.into()]
}

/// Returns the values of a tensor `[H, W, C]`, channel by channel.
fn planes(tensor: &Tensor) -> Vec<u8> {
    tensor.permute((2, 0, 1)).unwrap().flatten_all().unwrap().to_vec1().unwrap()
}

#[test]
fn sizes_and_borders_are_the_golden_ones() {
    let Some(settings) = settings() else { return };
    let mut checked = 0;
    for (name, cases) in settings.as_object().unwrap() {
        // Lists of cases are named `<name>_<longest>[_<pad>]`.
        let Some(cases) = cases.as_array() else { continue };
        let sizes: Vec<usize> = name.split('_').filter_map(|part| part.parse().ok()).collect();
        let (Some(&longest), Some(&pad)) = (sizes.first(), sizes.last()) else { continue };
        for case in cases {
            let [height, width] = pair(&case["in_hw"]);
            let (resized, border) = (LongestSide { size: longest }, PadTo { size: pad, value: 0 });
            let inner = resized.output_size([height, width]);
            assert_eq!(inner, pair(&case["resized_hw"]), "{case}");
            assert_eq!(
                border.offsets(inner),
                ["pad_top", "pad_left"].map(|key| number(&case[key])),
                "{case}"
            );
            // Applies the whole pipeline to values that differ from the padding.
            let image = Image { channels: 3, height, width, pixels: vec![77; 3 * height * width] };
            let mask = Mask { height, width, classes: vec![1; height * width] };
            let sample =
                apply_all(&chain(longest, pad), SegmentationSample { image, mask }, Seed(0))
                    .unwrap();
            let [height, width] = pair(&case["out_hw"]);
            assert_eq!(sample.size(), [height, width], "{case}");
            let [top, left, bottom, right] =
                ["pad_top", "pad_left", "pad_bottom", "pad_right"].map(|key| number(&case[key]));
            for y in 0..height {
                for x in 0..width {
                    let inside =
                        (top..height - bottom).contains(&y) && (left..width - right).contains(&x);
                    let (pixel, class) =
                        (sample.image.pixels[y * width + x], sample.mask.classes[y * width + x]);
                    assert_eq!(
                        (pixel, class),
                        if inside { (77, 1) } else { (0, VOID) },
                        "{case}: {y}, {x}"
                    );
                }
            }
            checked += 1;
        }
    }
    assert!(checked > 0, "no golden size was compared");
}

#[test]
fn pixels_and_masks_are_the_golden_ones() {
    let Some(settings) = settings() else { return };
    let tensors = golden::tensors("transforms.safetensors");
    let mut checked = 0;
    for (name, case) in settings["pixel"].as_object().unwrap() {
        // Only cases with a mask.
        let Some(mask) = tensors.get(&format!("{name}/mask")) else { continue };
        let tensor = |what: &str| &tensors[&format!("{name}/{what}")];
        let (height, width) = mask.dims2().unwrap();
        let image = Image { channels: 3, height, width, pixels: planes(tensor("image")) };
        let mask = Mask { height, width, classes: mask.flatten_all().unwrap().to_vec1().unwrap() };
        let transforms = chain(number(&case["max_size"]), number(&case["pad"]));
        let sample = apply_all(&transforms, SegmentationSample { image, mask }, Seed(0)).unwrap();
        assert_eq!(
            sample.mask.classes,
            tensor("out_mask").flatten_all().unwrap().to_vec1::<u8>().unwrap(),
            "{name}"
        );
        let expected = planes(tensor("out_image_u8"));
        assert_eq!(sample.image.pixels.len(), expected.len());
        let apart: Vec<u8> =
            sample.image.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).collect();
        let differ = apart.iter().filter(|&&distance| distance > 0).count();
        assert_eq!(differ, 0, "{name}: of {} values", apart.len());

        let floats = |key: &str| -> Vec<f32> {
            let list = settings["normalize_imagenet"][key].as_array().unwrap();
            list.iter().map(|value| value.as_f64().unwrap() as f32).collect()
        };
        let normalise = Normalise::new(floats("mean"), floats("std")).unwrap();
        let collate = SegmentationCollate::new(&normalise).unwrap();
        // The golden image itself, so only the normalisation is compared.
        let [height, width] = sample.size();
        let image = Image { channels: 3, height, width, pixels: expected };
        let labels: Vec<u32> = sample.mask.classes.iter().map(|&class| class.into()).collect();
        let batch = collate.collate(vec![SegmentationSample { image, mask: sample.mask }]).unwrap();
        let found =
            batch.images(&Device::Cpu).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let expected: Vec<f32> =
            tensor("out_normalized_chw").flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 2e-6 * (1.0 + expected.abs()),
                "{name}: {found} for {expected}"
            );
        }
        let tensor = batch.labels(&Device::Cpu).unwrap();
        assert_eq!(tensor.dims(), [1, height, width]);
        assert_eq!(tensor.flatten_all().unwrap().to_vec1::<u32>().unwrap(), labels);
        checked += 1;
    }
    assert!(checked > 0, "no golden image was compared");
}
