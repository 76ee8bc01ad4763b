//! Compares transforms and corruptions with torchvision, PIL, SciPy and scikit-image
//! (`fixtures/transforms`) and the golden images.

use candle_core::{DType, Device, Tensor};
use mbls_data::Seed;
use mbls_testkit::golden;
use mbls_vision::Image;
use mbls_vision::transform::{
    CenterCrop, Corruption, ImageTransform, Normalise, RandomResizedCrop, Resize, Size, apply_all,
};
use serde_json::Value;
use std::collections::HashMap;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/transforms");

fn fixture() -> (Value, HashMap<String, Tensor>) {
    let text = std::fs::read_to_string(format!("{FOLDER}/values.json")).unwrap();
    let tensors =
        candle_core::safetensors::load(format!("{FOLDER}/values.safetensors"), &Device::Cpu)
            .unwrap();
    (serde_json::from_str(&text).unwrap(), tensors)
}

/// Converts a tensor `[C, H, W]` to an image.
fn image(tensor: &Tensor) -> Image {
    let (channels, height, width) = tensor.dims3().unwrap();
    Image { channels, height, width, pixels: tensor.flatten_all().unwrap().to_vec1().unwrap() }
}

/// Converts a tensor `[H, W, C]` to an image.
fn image_of_rows(tensor: &Tensor) -> Image {
    image(&tensor.permute((2, 0, 1)).unwrap())
}

/// Returns the largest difference between two images of the same shape.
fn distance(a: &Image, b: &Image) -> u8 {
    assert_eq!(a.shape(), b.shape());
    a.pixels.iter().zip(&b.pixels).map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn transforms_are_torchvisions() {
    let (values, tensors) = fixture();
    let mut worst = HashMap::<(String, &str), (u8, usize, usize)>::new();
    for case in values["transforms"].as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let input = image(&tensors[&format!("picture/{}", case["picture"].as_str().unwrap())]);
        let transform: ImageTransform = serde_json::from_value(case["transform"].clone()).unwrap();
        let found = transform.apply(&input, Seed(7)).unwrap();
        assert_eq!(found.shape(), transform.output_shape(input.shape()).unwrap(), "{name}");
        for by in ["tensor", "pil"] {
            let Some(expected) = tensors.get(&format!("{name}/{by}")) else { continue };
            let expected = image(expected);
            let distance = distance(&found, &expected);
            let off = found.pixels.iter().zip(&expected.pixels).filter(|(a, b)| a != b).count();
            let entry = worst.entry((transform.kind().to_owned(), by)).or_default();
            *entry = (entry.0.max(distance), entry.1 + off, entry.2 + found.pixels.len());
            let bound = match (transform, by) {
                (ImageTransform::Resize(_), _) => 1,
                // PIL rounds grey values where torchvision rounds down; the blend multiplies the
                // difference by up to 1.6 here.
                (ImageTransform::ColourJitter(_), "pil") => 2,
                _ => 0,
            };
            assert!(distance <= bound, "{name}, {by}: {distance}");
        }
    }
    assert!(worst.len() >= 12);
    // A difference of one level is allowed in few values, not in half of them.
    for ((kind, by), (_, off, all)) in worst {
        assert!(off * 5 <= all, "{kind}, {by}: {off} of {all} values are not the same");
    }
}

#[test]
fn corruptions_are_the_published_ones() {
    let (values, tensors) = fixture();
    let cases = values["corruptions"].as_array().unwrap();
    assert_eq!(cases.len(), 3 * 5 * 4);
    for case in cases {
        let name = case["name"].as_str().unwrap();
        let input = image(&tensors[&format!("picture/{}", case["picture"].as_str().unwrap())]);
        let corruption: Corruption = serde_json::from_value(case["corruption"].clone()).unwrap();
        let found = corruption.apply(&input, 255, 3).unwrap();
        let expected: Vec<f32> =
            tensors[&format!("{name}/values")].flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(found.pixels.len(), expected.len());
        for (&found, expected) in found.pixels.iter().zip(expected) {
            assert!(
                (f32::from(found) - expected).abs() <= 0.5001,
                "{name}: {found} for {expected}"
            );
        }
    }
}

#[test]
fn random_windows_have_torchvisions_distribution() {
    let (values, _) = fixture();
    for case in values["windows"].as_array().unwrap() {
        let numbers = |key: &str| {
            case[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>()
        };
        let pair = |key: &str| <[f64; 2]>::try_from(numbers(key)).unwrap();
        let crop = RandomResizedCrop {
            scale: pair("scale"),
            ratio: pair("ratio"),
            ..RandomResizedCrop::new(Size::Side(8))
        };
        let size = pair("size").map(|side| side as usize);
        let draws = 40_000u64;
        let windows: Vec<[f64; 4]> = (0..draws)
            .map(|seed| crop.window(size, Seed(seed)).unwrap())
            .map(|w| [w.top, w.left, w.height, w.width].map(|x| x as f64))
            .collect();
        let (means, stds) = (numbers("mean"), numbers("std"));
        // Two samples of 40,000 each.
        let error = (1.0 / draws as f64 + 1.0 / case["draws"].as_f64().unwrap()).sqrt();
        for i in 0..4 {
            let mean = windows.iter().map(|w| w[i]).sum::<f64>() / draws as f64;
            let std =
                (windows.iter().map(|w| (w[i] - mean).powi(2)).sum::<f64>() / draws as f64).sqrt();
            assert!(
                (mean - means[i]).abs() <= 5.0 * stds[i] * error,
                "{size:?}, {i}: mean {mean} for {}",
                means[i]
            );
            assert!(
                (std - stds[i]).abs() <= 5.0 * stds[i] * error,
                "{size:?}, {i}: std {std} for {}",
                stds[i]
            );
        }
        let product = windows.iter().map(|w| w[2] * w[3]).sum::<f64>() / draws as f64;
        let expected = case["product"].as_f64().unwrap();
        assert!(
            (product - expected).abs() <= 5.0 * expected * 0.6 * error,
            "{size:?}: area {product} for {expected}"
        );
    }
}

#[test]
fn resize_without_antialias_is_opencvs_bit_by_bit() {
    let text = std::fs::read_to_string(format!("{FOLDER}/opencv.json")).unwrap();
    let values: Value = serde_json::from_str(&text).unwrap();
    let cases: Vec<[u64; 6]> = serde_json::from_value(values["cases"].clone()).unwrap();
    assert!(cases.len() >= 400);
    for case @ [channels, height, width, new_height, new_width, expected] in cases {
        let [channels, height, width] = [channels, height, width].map(|size| size as usize);
        let value = |i: u64| (i.wrapping_mul(i).wrapping_mul(2_654_435_761) >> 13) as u8;
        let pixels = (0..(channels * height * width) as u64).map(value).collect();
        let size = Size::HeightWidth([new_height as usize, new_width as usize]);
        let resize = ImageTransform::from(Resize { size, antialias: false });
        let found = resize.apply(&Image { channels, height, width, pixels }, Seed(0)).unwrap();
        let sum: u64 = found.pixels.iter().zip(1..).map(|(&value, i)| i * u64::from(value)).sum();
        assert_eq!(sum, expected, "{case:?}");
    }
}

#[test]
fn halves_are_rounded_up() {
    // The mean of 1 and 2 is 1.5, of 2 and 3 it is 2.5: rounding half to even would give 2 for
    // both.
    for (pixels, expected) in
        [([1, 2, 1, 2], 2), ([2, 3, 2, 3], 3), ([0, 0, 0, 2], 1), ([255, 254, 255, 254], 255)]
    {
        let image = Image { channels: 1, height: 2, width: 2, pixels: pixels.to_vec() };
        let half =
            ImageTransform::from(Resize { size: Size::HeightWidth([1, 1]), antialias: false });
        assert_eq!(half.apply(&image, Seed(0)).unwrap().pixels, [expected], "{pixels:?}");
    }
}

/// Returns the golden transforms, if available.
fn golden_images() -> Option<(Value, HashMap<String, Tensor>)> {
    if golden::directory().join("transforms.json").exists() {
        return Some((golden::json("transforms.json"), golden::tensors("transforms.safetensors")));
    }
    // Bypasses the test harness, which hides the output of passing tests.
    use std::io::Write;
    let _ = writeln!(
        std::io::stderr(),
        "SKIPPED: {} has no transforms.json",
        golden::directory().display()
    );
    None
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// Cases with `resize` and `center_crop`: the published pipeline of CUB, which resizes with OpenCV
/// to a square.
#[test]
fn resize_and_center_crop_match_the_golden_images() {
    let Some((settings, tensors)) = golden_images() else { return };
    let mut checked = 0;
    for (name, case) in settings["pixel"].as_object().unwrap() {
        if case["resize"].is_null() || case["center_crop"].is_null() {
            continue;
        }
        let (side, crop) = (number(&case["resize"]), number(&case["center_crop"]));
        let resize = Resize { size: Size::HeightWidth([side, side]), antialias: false };
        let transforms = [resize.into(), CenterCrop { size: Size::Side(crop) }.into()];
        let found =
            apply_all(&transforms, image_of_rows(&tensors[&format!("{name}/image")]), Seed(0))
                .unwrap();
        let expected = image_of_rows(&tensors[&format!("{name}/out_image_u8")]);
        assert_eq!(distance(&found, &expected), 0, "{name}");
        checked += 1;
    }
    assert!(checked > 0, "no golden image was compared");
}

/// Cases with `max_size` and `pad`: the longer side is resized to `max_size`, then the image is
/// padded to `pad`.
#[test]
fn plain_resize_matches_the_golden_padded_images() {
    let Some((settings, tensors)) = golden_images() else { return };
    let mut checked = 0;
    for (name, case) in settings["pixel"].as_object().unwrap() {
        if case["max_size"].is_null() {
            continue;
        }
        let input = image_of_rows(&tensors[&format!("{name}/image")]);
        let expected = image_of_rows(&tensors[&format!("{name}/out_image_u8")]);
        let scale = case["max_size"].as_f64().unwrap() / input.height.max(input.width) as f64;
        let size = [input.height, input.width]
            .map(|side| (side as f64 * scale).round_ties_even() as usize);
        let resize =
            ImageTransform::from(Resize { size: Size::HeightWidth(size), antialias: false });
        let found = resize.apply(&input, Seed(0)).unwrap();
        let (top, left) = ((expected.height - size[0]) / 2, (expected.width - size[1]) / 2);
        let window = mbls_vision::transform::Window { top, left, height: size[0], width: size[1] };
        assert_eq!(distance(&found, &window.of(&expected).unwrap()), 0, "{name}");
        checked += 1;
    }
    assert!(checked > 0, "no golden image was compared");
}

/// `<case>/out_image_u8` normalised with ImageNet's constants is `<case>/out_normalized_chw`, and
/// `cifar/image` with CIFAR-10's is `cifar/out`; the constants are those of the settings.
#[test]
fn normalisation_constants_match_the_golden_images() {
    let Some((settings, tensors)) = golden_images() else { return };
    let constants = |name: &str| {
        let floats = |key: &str| {
            settings[name][key]
                .as_array()
                .unwrap()
                .iter()
                .map(|x| x.as_f64().unwrap() as f32)
                .collect()
        };
        Normalise::new(floats("mean"), floats("std")).unwrap()
    };
    assert_eq!(Normalise::imagenet(), constants("normalize_imagenet"));
    assert_eq!(Normalise::cifar10(), constants("normalize_cifar"));
    let mut checked = 0;
    for (name, out) in &tensors {
        let (from, normalise) = match name.rsplit_once('/') {
            Some((case, "out_normalized_chw")) => {
                (format!("{case}/out_image_u8"), Normalise::imagenet())
            }
            Some((case @ "cifar", "out")) => (format!("{case}/image"), Normalise::cifar10()),
            _ => continue,
        };
        let mut pixels = image_of_rows(&tensors[&from]).scaled(255);
        normalise.apply(&mut pixels);
        let expected: Vec<f32> =
            out.to_dtype(DType::F32).unwrap().flatten_all().unwrap().to_vec1().unwrap();
        assert_eq!(pixels.len(), expected.len());
        for (found, expected) in pixels.iter().zip(expected) {
            assert!(
                (found - expected).abs() <= 1e-6 * (1.0 + expected.abs()),
                "{name}: {found} for {expected}"
            );
        }
        checked += 1;
    }
    assert!(checked > 0, "no golden image was compared");
}
