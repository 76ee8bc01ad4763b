use super::{VOID, labels};
use mbls_seg::metric::{DistanceBands, VoidEdges, boundary_distances};
use proptest::prelude::*;

/// Computes distances by comparing every pixel with every boundary pixel.
pub(crate) fn slow_distances(labels: &[u32], width: usize, edges: VoidEdges) -> Vec<u32> {
    let places: Vec<(i64, i64)> =
        (0..labels.len()).map(|p| ((p / width) as i64, (p % width) as i64)).collect();
    let distance = |a: usize, b: usize| {
        let ((y, x), (v, u)) = (places[a], places[b]);
        (y - v).abs().max((x - u).abs()) as u32
    };
    let differ = |a: usize, b: usize| {
        let with_void = labels[a] == VOID || labels[b] == VOID;
        labels[a] != labels[b] && (edges == VoidEdges::Counted || !with_void)
    };
    let all = || 0..labels.len();
    let boundary: Vec<usize> =
        all().filter(|&p| all().any(|q| distance(p, q) == 1 && differ(p, q))).collect();
    all().map(|p| boundary.iter().map(|&b| distance(p, b)).min().unwrap_or(u32::MAX)).collect()
}

proptest! {
    #[test]
    fn distances_are_those_to_the_nearest_boundary_pixel(
        (width, labels) in (1usize..14, 1usize..14).prop_flat_map(|(h, w)| (Just(w), labels(4, h, w))),
    ) {
        for edges in [VoidEdges::Ignored, VoidEdges::Counted] {
            let found = boundary_distances(&labels, width, &[VOID.into()], edges).unwrap();
            prop_assert_eq!(found, slow_distances(&labels, width, edges));
        }
        // Several void labels are equivalent to one.
        let merged: Vec<u32> = labels.iter().map(|&label| if label == 3 { VOID } else { label }).collect();
        let found = boundary_distances(&labels, width, &[3, VOID.into()], VoidEdges::Counted).unwrap();
        prop_assert_eq!(found, slow_distances(&merged, width, VoidEdges::Counted));
    }

    /// Without void, the distance is one less than the distance to the nearest pixel of another
    /// class.
    #[test]
    fn distances_are_to_another_class((width, labels) in (1usize..14, 1usize..14).prop_flat_map(|(h, w)| (Just(w), labels(4, h, w)))) {
        let found = boundary_distances(&labels, width, &[], VoidEdges::Ignored).unwrap();
        for (p, &distance) in found.iter().enumerate() {
            let other = (0..labels.len()).filter(|&q| labels[q] != labels[p]);
            let to = |q: usize| (q / width).abs_diff(p / width).max((q % width).abs_diff(p % width)) as u32;
            prop_assert_eq!(distance, other.map(to).min().map_or(u32::MAX, |nearest| nearest - 1));
        }
    }

    #[test]
    fn each_distance_is_in_the_range_of_its_band(starts in prop::collection::btree_set(1u32..40, 0..8), distance in 0u32..50) {
        let starts: Vec<u32> = starts.into_iter().collect();
        let bands = DistanceBands::new(&starts).unwrap();
        prop_assert_eq!(bands.len(), starts.len() + 1);
        for band in 0..bands.len() {
            let (from, to) = bands.range(band);
            prop_assert_eq!(bands.band(distance) == band, distance >= from && to.is_none_or(|to| distance <= to));
        }
        let text = serde_json::to_string(&bands).unwrap();
        prop_assert_eq!(serde_json::from_str::<DistanceBands>(&text).unwrap(), bands);
    }
}

#[test]
fn wrong_maps_and_bands_are_refused() {
    let distances =
        |labels: &[u32], width| boundary_distances(labels, width, &[], VoidEdges::Ignored);
    for (labels, width) in [(&[0; 5][..], 2), (&[0], 0), (&[0], 2)] {
        let message = distances(labels, width).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("label map: expected rows of {width} pixels, found {} labels", labels.len())
        );
    }
    assert!(distances(&[], 0).unwrap().is_empty());
    let many: Vec<u32> = (1..=256).collect();
    for starts in [&[0, 2][..], &[2, 2], &[3, 2], &many] {
        let message = DistanceBands::new(starts).unwrap_err().to_string();
        assert!(
            message.ends_with("expected rising distances from 1 on, at most 255 of them"),
            "{message}"
        );
        assert!(serde_json::from_value::<DistanceBands>(serde_json::json!(starts)).is_err());
    }
    assert_eq!(DistanceBands::new(&many[..255]).unwrap().len(), 256);
    assert_eq!(DistanceBands::new(&[]).unwrap().name(0), "0+");
    assert_eq!(DistanceBands::new(&[1, 3]).unwrap().name(0), "0");
}
