//! Tests of image transforms: invalid input, settings, and their order in `AugmentedImages`.

use super::random::distinct_image;
use mbls_data::{Dataset, Seed};
use mbls_vision::transform::{
    CenterCrop, ColourJitter, HorizontalFlip, ImageTransform, Normalise, Pad, PadCropFlip,
    RandomCrop, RandomResizedCrop, Resize, Size, Strength, VerticalFlip, Window,
};
use mbls_vision::{AugmentedImages, Image, ImageSource, LabelledImages};
use std::sync::Arc;

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let message = |transform: ImageTransform, shape: [usize; 3]| {
        let [channels, height, width] = shape;
        let image = Image { channels, height, width, pixels: vec![1; shape.iter().product()] };
        transform.apply(&image, Seed(0)).unwrap_err().to_string()
    };
    let cases: [(ImageTransform, [usize; 3], &str); 12] = [
        (
            CenterCrop { size: Size::Side(4) }.into(),
            [1, 3, 5],
            "center-crop: size: expected at most the image's 3 x 5, found 4 x 4",
        ),
        (
            RandomCrop { size: Size::HeightWidth([2, 8]), padding: 1, value: 0 }.into(),
            [3, 3, 5],
            "random-crop: size: expected at most the image's 5 x 7, found 2 x 8",
        ),
        (
            CenterCrop { size: Size::Side(0) }.into(),
            [1, 1, 1],
            "center-crop: size: expected at least 1, found 0",
        ),
        (
            Resize { size: Size::HeightWidth([0, 3]), antialias: true }.into(),
            [1, 1, 1],
            "resize: size: expected at least 1, found 0",
        ),
        (
            Pad { padding: usize::MAX / 2 + 1, value: 0 }.into(),
            [1, 1, 1],
            "pad: padding: expected a size that does not overflow, found 9223372036854775808",
        ),
        (
            HorizontalFlip { probability: f64::NAN }.into(),
            [1, 1, 1],
            "horizontal-flip: probability: expected 0..=1, found NaN",
        ),
        (
            VerticalFlip { probability: 1.5 }.into(),
            [1, 1, 1],
            "vertical-flip: probability: expected 0..=1, found 1.5",
        ),
        (
            RandomResizedCrop { scale: [0.5, 0.4], ..RandomResizedCrop::new(Size::Side(2)) }.into(),
            [1, 1, 1],
            "random-resized-crop: scale: expected numbers in 0.000001..=1000000, the smaller first, found 0.5, 0.4",
        ),
        (
            RandomResizedCrop { ratio: [0.0, 0.4], ..RandomResizedCrop::new(Size::Side(2)) }.into(),
            [1, 1, 1],
            "random-resized-crop: ratio: expected numbers in 0.000001..=1000000, the smaller first, found 0, 0.4",
        ),
        (
            ColourJitter { contrast: Strength::Around(-0.1), ..Default::default() }.into(),
            [1, 1, 1],
            "colour-jitter: contrast: expected 0..=1000, or two numbers in this range, the smaller first, found Around(-0.1)",
        ),
        (
            ColourJitter { hue: Strength::Between([-0.1, 0.6]), ..Default::default() }.into(),
            [1, 1, 1],
            "colour-jitter: hue: expected 0..=0.5, or two numbers in -0.5..=0.5, the smaller first, found Between([-0.1, 0.6])",
        ),
        (
            ColourJitter::default().into(),
            [2, 1, 1],
            "colour-jitter: image: expected 1 or 3 channels, found 2",
        ),
    ];
    for (transform, shape, expected) in cases {
        assert_eq!(message(transform, shape), expected);
    }
    for large in [
        ImageTransform::from(Pad { padding: 1 << 20, value: 0 }),
        Resize { size: Size::Side(usize::MAX / 2), antialias: true }.into(),
        Resize { size: Size::Side(1 << 15), antialias: true }.into(),
        RandomCrop { size: Size::Side(1), padding: 1 << 20, value: 0 }.into(),
    ] {
        let found = message(large, [1, 1, 2]);
        assert!(
            found.starts_with("shape of a transformed image") || found.starts_with("resize:"),
            "{found}"
        );
    }
    let broken = Image { channels: 1, height: 2, width: 2, pixels: vec![0; 3] };
    let error = ImageTransform::from(Pad { padding: 1, value: 0 })
        .apply(&broken, Seed(0))
        .unwrap_err()
        .to_string();
    assert_eq!(error, "image: expected values of shape [1, 2, 2], at least 1, found 3 values");
    let empty = Image { channels: 1, height: 0, width: 2, pixels: vec![] };
    assert!(
        ImageTransform::from(HorizontalFlip { probability: 1.0 }).apply(&empty, Seed(0)).is_err()
    );
    assert!(RandomResizedCrop::new(Size::Side(2)).window([0, 4], Seed(0)).is_err());
    assert!(Window { top: 1, left: 0, height: 2, width: 1 }.of(&distinct_image(1, 2, 2)).is_err());
    assert!(
        Window { top: usize::MAX, left: 0, height: 2, width: 1 }
            .of(&distinct_image(1, 2, 2))
            .is_err()
    );
}

#[derive(serde::Deserialize, serde::Serialize)]
struct Settings {
    transforms: Vec<ImageTransform>,
}

#[test]
fn settings_go_through_toml_and_mistakes_are_refused() {
    let text = r#"transforms = [
        { kind = "resize", size = 256 }, { kind = "resize", size = [8, 9], antialias = false },
        { kind = "center-crop", size = 224 }, { kind = "centre-crop", size = 224 },
        { kind = "random-crop", size = 32, padding = 4 }, { kind = "pad", padding = 4, value = 128 },
        { kind = "horizontal-flip" }, { kind = "vertical-flip", probability = 0.25 },
        { kind = "random-resized-crop", size = 224, scale = [0.2, 1.0] },
        { kind = "colour-jitter", brightness = 1, contrast = [0.5, 2], hue = 0.1 }, { kind = "color-jitter" },
    ]"#;
    let settings: Settings = toml::from_str(text).unwrap();
    let fixed = |x| Strength::Around(x);
    let expected: Vec<ImageTransform> = vec![
        Resize { size: Size::Side(256), antialias: true }.into(),
        Resize { size: Size::HeightWidth([8, 9]), antialias: false }.into(),
        CenterCrop { size: Size::Side(224) }.into(),
        CenterCrop { size: Size::Side(224) }.into(),
        RandomCrop { size: Size::Side(32), padding: 4, value: 0 }.into(),
        Pad { padding: 4, value: 128 }.into(),
        HorizontalFlip { probability: 0.5 }.into(),
        VerticalFlip { probability: 0.25 }.into(),
        RandomResizedCrop { scale: [0.2, 1.0], ..RandomResizedCrop::new(Size::Side(224)) }.into(),
        ColourJitter {
            brightness: fixed(1.0),
            contrast: Strength::Between([0.5, 2.0]),
            saturation: fixed(0.0),
            hue: fixed(0.1),
        }
        .into(),
        ColourJitter::default().into(),
    ];
    assert_eq!(settings.transforms, expected);
    let again: Settings = serde_json::from_value(serde_json::to_value(&settings).unwrap()).unwrap();
    assert_eq!(again.transforms, expected);
    for transform in &expected {
        let written = serde_json::to_value(transform).unwrap();
        assert_eq!(written["kind"], transform.kind());
    }
    for wrong in [
        r#"{ kind = "rotate" }"#,
        r#"{ size = 3 }"#,
        r#"{ kind = "resize" }"#,
        r#"{ kind = "resize", size = 3, wide = true }"#,
        r#"{ kind = "center-crop", size = [1, 2, 3] }"#,
        r#"{ kind = "pad", padding = -1 }"#,
        r#"{ kind = "pad", padding = 1, value = 256 }"#,
        r#"{ kind = "horizontal-flip", probability = "often" }"#,
        r#"{ kind = "vertical-flip", chance = 0.5 }"#,
        r#"{ kind = "random-crop", size = 3, pad = 1 }"#,
        r#"{ kind = "random-resized-crop", size = 3, scale = 0.5 }"#,
        r#"{ kind = "colour-jitter", brightnes = 0.5 }"#,
    ] {
        assert!(toml::from_str::<Settings>(&format!("transforms = [{wrong}]")).is_err(), "{wrong}");
    }
}

#[test]
fn images_are_transformed_before_all_else() {
    let pixels: Vec<u8> = (0..4 * 3 * 6 * 7).map(|i| (i * 37 % 251) as u8).collect();
    let images = Arc::new(
        LabelledImages::new("small", [3, 6, 7], pixels, vec![0, 1, 2, 3], 4, 255).unwrap(),
    );
    let transforms = vec![
        HorizontalFlip { probability: 0.5 }.into(),
        HorizontalFlip { probability: 0.5 }.into(),
        RandomCrop { size: Size::HeightWidth([5, 4]), padding: 0, value: 0 }.into(),
    ];
    let (crop, normalise) = (PadCropFlip { padding: 1, flip: true }, Normalise::imagenet());
    let data = AugmentedImages::new(images.clone(), vec![2, 0])
        .unwrap()
        .with_transforms(transforms.clone())
        .unwrap();
    let data = data.with_augmentation(crop).with_normalisation(normalise.clone()).unwrap();
    assert_eq!(data.sample_shape(), Some([3, 5, 4]));
    let mut apart = 0;
    for seed in (0..200).map(Seed) {
        let mut image = images.image(2).unwrap();
        let before = image.clone();
        for (place, transform) in transforms.iter().enumerate() {
            image =
                transform.apply(&image, seed.derive(transform.kind()).at(place as u64)).unwrap();
        }
        let flipped = |place| {
            transforms[0].apply(&before, seed.derive("horizontal-flip").at(place)).unwrap()
                != before
        };
        apart += u32::from(flipped(0) != flipped(1));
        let mut expected = crop.apply(&image.scaled(255), image.shape(), seed).unwrap();
        normalise.apply(&mut expected);
        let sample = data.get(0, seed).unwrap();
        assert_eq!((sample.pixels, sample.shape, sample.label), (expected, [3, 5, 4], 2));
    }
    // The same transform at two positions of the list uses two seeds.
    assert!((60..=140).contains(&apart), "{apart}");

    let plain = || AugmentedImages::new(images.clone(), vec![0]).unwrap();
    assert_eq!(plain().sample_shape(), Some([3, 6, 7]));
    let error = plain()
        .with_transforms(vec![CenterCrop { size: Size::Side(7) }.into()])
        .unwrap_err()
        .to_string();
    assert_eq!(error, "center-crop: size: expected at most the image's 6 x 7, found 7 x 7");
    let digits =
        Arc::new(LabelledImages::new("d", [1, 1, 2], vec![0, 16], vec![0], 1, 16).unwrap());
    let digits = AugmentedImages::new(digits, vec![0]).unwrap();
    let error = digits
        .clone()
        .with_transforms(vec![ColourJitter::default().into()])
        .unwrap_err()
        .to_string();
    assert_eq!(error, "colour-jitter for data set d: expected a full scale of 255, found 16");
    assert!(digits.with_transforms(vec![HorizontalFlip { probability: 1.0 }.into()]).is_ok());
}
