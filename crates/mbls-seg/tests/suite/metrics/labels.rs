//! Labels of every integer type, with any void label.

use super::{VOID, sets};
use mbls_core::metric::Metric;
use mbls_seg::metric::{
    ImageMaps, SegmentationMetrics, SegmentationReport, SegmentationSettings, SegmentedImages,
    VoidEdges, boundary_distances,
};
use proptest::prelude::*;

fn report(
    logits: &[f32],
    shape: [usize; 4],
    labels: mbls_core::metric::Labels<'_>,
    void: i64,
) -> mbls_core::Result<(SegmentationReport, Vec<ImageMaps>)> {
    let settings = SegmentationSettings { void: vec![void], ..Default::default() };
    let mut metrics = SegmentationMetrics::new(shape[1], settings)?;
    let indices: Vec<u64> = (0..shape[0] as u64).collect();
    let images = SegmentedImages { logits: logits.into(), shape, labels, indices: &indices };
    metrics.update(images)?;
    // The saved state is read back unchanged.
    let text = serde_json::to_string(&metrics).expect("JSON");
    assert_eq!(
        serde_json::from_str::<SegmentationMetrics>(&text).expect("the same state"),
        metrics
    );
    Ok((metrics.value().expect("images were added"), ImageMaps::of_batch(images, &[void])?))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn the_type_of_labels_and_the_number_of_void_change_nothing(set in sets(1..4)) {
        let logits: Vec<f32> = set.images.iter().flat_map(|(logits, _)| logits.clone()).collect();
        let labels: Vec<u32> = set.images.iter().flat_map(|(_, labels)| labels.clone()).collect();
        let shape = [set.images.len(), set.classes, set.height, set.width];
        let expected = report(&logits, shape, (&labels).into(), 255).unwrap();
        let bytes: Vec<u8> = labels.iter().map(|&label| label as u8).collect();
        prop_assert_eq!(&report(&logits, shape, (&bytes).into(), 255).unwrap(), &expected);
        let signed = |void: i64| -> Vec<i64> {
            labels.iter().map(|&label| if label == VOID { void } else { label.into() }).collect()
        };
        for void in [-100, -1, i64::MIN, 1 << 40] {
            let labels = signed(void);
            prop_assert_eq!(&report(&logits, shape, (&labels).into(), void).unwrap(), &expected);
            let message = report(&logits, shape, (&labels).into(), 254).map(drop).map_err(|error| error.to_string());
            if let Some(row) = labels.iter().position(|&label| label == void) {
                let wrong = format!("label {void} at row {row} is out of range: the logits have {} classes", set.classes);
                prop_assert_eq!(message, Err(wrong));
            }
        }
        let small: Vec<i16> = signed(-100).into_iter().map(|label| label as i16).collect();
        prop_assert_eq!(&report(&logits, shape, (&small).into(), -100).unwrap(), &expected);
    }
}

#[test]
fn distances_know_any_void() {
    for edges in [VoidEdges::Ignored, VoidEdges::Counted] {
        let expected = boundary_distances(&[0, 0, 0, 1, 1, 255], 6, &[255], edges).unwrap();
        assert_eq!(
            boundary_distances(&[0i64, 0, 0, 1, 1, -100], 6, &[-100], edges).unwrap(),
            expected
        );
        assert_eq!(
            boundary_distances(&[0i8, 0, 0, 1, 1, -1], 6, &[-1, 77], edges).unwrap(),
            expected
        );
    }
    let message =
        boundary_distances(&[0i64, -100], 2, &[-1], VoidEdges::Ignored).unwrap_err().to_string();
    assert_eq!(
        message,
        "label = -100 at row 1: expected from 0 to 2^32 - 2, or one that is ignored"
    );
}
