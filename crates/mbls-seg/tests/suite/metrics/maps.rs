use super::{VOID, sets};
use image::{DynamicImage, GenericImageView};
use mbls_core::metric::{Predictions, SegmentationBatch};
use mbls_seg::metric::{ImageMaps, SegmentedImages, class_colour};
use proptest::prelude::*;

fn decoded(png: &[u8]) -> DynamicImage {
    let image = image::load_from_memory_with_format(png, image::ImageFormat::Png).unwrap();
    assert!(
        matches!(image.color(), image::ColorType::La8 | image::ColorType::Rgba8),
        "{:?}",
        image.color()
    );
    image
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// Decodes the files with another decoder and compares them with the metrics of each pixel.
    #[test]
    fn files_show_the_predictions(set in sets(1..4)) {
        let folder = tempfile::tempdir().unwrap();
        let logits: Vec<f32> = set.images.iter().flat_map(|(logits, _)| logits.clone()).collect();
        let labels: Vec<u32> = set.images.iter().flat_map(|(_, labels)| labels.clone()).collect();
        let shape = [set.images.len(), set.classes, set.height, set.width];
        let all = ImageMaps::of_batch(SegmentedImages { logits: (&logits).into(), shape, labels: (&labels).into(), indices: &[] }, &[VOID.into()]).unwrap();
        prop_assert_eq!(all.len(), set.images.len());
        for (i, (maps, (logits, labels))) in all.iter().zip(&set.images).enumerate() {
            let name = format!("image {i}");
            maps.write(folder.path(), &name).unwrap();
            let read = |what: &str| decoded(&std::fs::read(folder.path().join(format!("{name}.{what}.png"))).unwrap());
            let (confidence, errors) = (read("confidence"), read("errors"));
            let [mask, prediction] = ["mask", "prediction"].map(|map| read(map).to_rgba8());
            prop_assert_eq!(confidence.dimensions(), (set.width as u32, set.height as u32));
            let (confidence, errors) = (confidence.to_luma_alpha8(), errors.to_luma_alpha8());
            for (pixel, &label) in labels.iter().enumerate() {
                let (x, y) = ((pixel % set.width) as u32, (pixel / set.width) as u32);
                let found = [confidence.get_pixel(x, y).0, errors.get_pixel(x, y).0];
                if label == VOID {
                    prop_assert_eq!(found, [[0, 0], [0, 0]]);
                    prop_assert_eq!((maps.confidences()[pixel], maps.errors()[pixel]), (None, None));
                    prop_assert_eq!((maps.labels()[pixel], maps.predictions()[pixel]), (None, None));
                    prop_assert_eq!([mask.get_pixel(x, y).0, prediction.get_pixel(x, y).0], [[0; 4]; 2]);
                    continue;
                }
                let scores: Vec<f32> = logits.iter().skip(pixel).step_by(set.area()).copied().collect();
                let colour = |class| { let [red, green, blue] = class_colour(class as u8); [red, green, blue, 255] };
                let label = [label];
                let one = Predictions::from_logits(&scores, set.classes, &label).unwrap();
                let grey = (255.0 * one.confidence(0) as f32).round() as u8;
                let classes = [label[0], one.predicted(0)];
                prop_assert_eq!([mask.get_pixel(x, y).0, prediction.get_pixel(x, y).0], classes.map(colour));
                prop_assert_eq!((maps.labels()[pixel], maps.predictions()[pixel]), (Some(classes[0]), Some(classes[1])));
                prop_assert_eq!(found, [[grey, 255], [if one.correct(0) { 0 } else { 255 }, 255]]);
            }
        }
        prop_assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4 * set.images.len());
    }
}

#[test]
fn wrong_images_and_folders_are_refused() {
    let message = |logits: &[f32], shape, labels: &[u32]| {
        ImageMaps::new(logits, shape, labels, &[VOID.into()]).unwrap_err().to_string()
    };
    assert_eq!(
        message(&[0.0; 5], [2, 1, 3], &[0; 3]),
        "logits: expected [1, 2, 1, 3], found 5 values"
    );
    assert_eq!(
        message(&[0.0; 6], [2, 1, 3], &[0, 0, 9]),
        "label 9 at row 2 is out of range: the logits have 2 classes"
    );
    assert_eq!(
        message(&[], [2, 0, 3], &[]),
        "image: expected from 1 to 2^32 - 1 rows and columns, found 0 x 3"
    );
    assert_eq!(
        message(&[], [2, 3, 0], &[]),
        "image: expected from 1 to 2^32 - 1 rows and columns, found 3 x 0"
    );
    assert_eq!(
        SegmentationBatch::new(&[0f32; 0], [1, 2, 0, 3], &[0u32; 0], &[]).unwrap().images(),
        1
    );

    let folder = tempfile::tempdir().unwrap();
    let maps = ImageMaps::new(&[0.0, 1.0], [2, 1, 1], &[0], &[VOID.into()]).unwrap();
    let message = maps.write(&folder.path().join("none"), "image").unwrap_err().to_string();
    assert!(message.contains("image.mask.png"), "{message}");
}
