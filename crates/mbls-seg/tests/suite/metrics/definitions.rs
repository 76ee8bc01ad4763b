use super::boundaries::slow_distances;
use super::{Set, VOID, sets};
use mbls_core::metric::Metric;
use mbls_seg::metric::{
    ClassMean, DistanceBands, Quantiles, SegmentationMetrics, SegmentationReport,
    SegmentationSettings, VoidEdges,
};
use proptest::prelude::*;

/// A pixel that is not void.
struct Pixel {
    image: usize,
    distance: u32,
    label: usize,
    predicted: usize,
    probs: Vec<f64>,
}

fn pixels(set: &Set, edges: VoidEdges) -> Vec<Pixel> {
    let mut pixels = Vec::new();
    for (image, (logits, labels)) in set.images.iter().enumerate() {
        let distances = slow_distances(labels, set.width, edges);
        for pixel in 0..set.area() {
            if labels[pixel] == VOID {
                continue;
            }
            let scores: Vec<f64> =
                (0..set.classes).map(|k| f64::from(logits[k * set.area() + pixel])).collect();
            let mut predicted = 0;
            for k in 0..set.classes {
                if scores[k] > scores[predicted] {
                    predicted = k;
                }
            }
            let sum: f64 = scores.iter().map(|score| score.exp()).sum();
            let probs = scores.iter().map(|score| score.exp() / sum).collect();
            let (distance, label) = (distances[pixel], labels[pixel] as usize);
            pixels.push(Pixel { image, distance, label, predicted, probs });
        }
    }
    pixels
}

/// Computes the calibration error of probabilities and events. The numbers of bins are chosen so
/// that equal logits of fewer than seven classes never fall on a bin edge.
fn ece(events: &[(f64, bool)], bins: usize) -> Option<f64> {
    if events.is_empty() {
        return None;
    }
    let mut error = 0.0;
    for bin in 0..bins {
        let (lower, upper) = (bin as f64 / bins as f64, (bin + 1) as f64 / bins as f64);
        let inside: Vec<_> =
            events.iter().filter(|(p, _)| *p <= upper && (*p > lower || bin == 0)).collect();
        let confidence: f64 = inside.iter().map(|(p, _)| p).sum();
        let right = inside.iter().filter(|(_, right)| *right).count() as f64;
        error += (confidence - right).abs() / events.len() as f64;
    }
    Some(error)
}

fn top(pixels: &[Pixel], keep: impl Fn(&Pixel) -> bool) -> Vec<(f64, bool)> {
    let event = |pixel: &Pixel| (pixel.probs[pixel.predicted], pixel.predicted == pixel.label);
    pixels.iter().filter(|pixel| keep(pixel)).map(event).collect()
}

fn close(what: &str, found: Option<f64>, expected: Option<f64>) {
    match (found, expected) {
        (Some(found), Some(expected)) => {
            assert!((found - expected).abs() < 1e-9, "{what}: {found} and {expected}");
        }
        _ => assert_eq!(found, expected, "{what}"),
    }
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

fn check_mean(what: &str, found: ClassMean, scores: &[Option<f64>]) {
    let defined =
        |scores: &[Option<f64>]| mean(&scores.iter().flatten().copied().collect::<Vec<_>>());
    close(what, found.with_background, defined(scores));
    close(what, found.without_background, defined(&scores[1..]));
    let zeros: Vec<f64> = scores[1..].iter().map(|score| score.unwrap_or(0.0)).collect();
    close(what, found.published, mean(&zeros));
}

fn check_overlap(pixels: &[Pixel], report: &SegmentationReport) {
    let mut scores = [Vec::new(), Vec::new(), Vec::new()];
    for (k, class) in report.classes.iter().enumerate() {
        let count = |of: &dyn Fn(&Pixel) -> bool| pixels.iter().filter(|pixel| of(pixel)).count();
        let both = count(&|p| p.label == k && p.predicted == k);
        let (labelled, predicted) = (count(&|p| p.label == k), count(&|p| p.predicted == k));
        assert_eq!((class.labelled, class.predicted), (labelled as u64, predicted as u64));
        let iou = ratio(both, count(&|p| p.label == k || p.predicted == k));
        let dice = ratio(2 * both, labelled + predicted);
        for (what, (scores, (found, expected))) in
            ["IoU", "Dice", "accuracy"].into_iter().zip(scores.iter_mut().zip([
                (class.iou, iou),
                (class.dice, dice),
                (class.accuracy, ratio(both, labelled)),
            ]))
        {
            close(what, found, expected);
            scores.push(expected);
        }
    }
    let right =
        |from: usize| pixels.iter().filter(|p| p.label >= from && p.label == p.predicted).count();
    let all = |from: usize| pixels.iter().filter(|p| p.label >= from).count();
    match &report.overlap {
        None => assert!(pixels.is_empty()),
        Some(overlap) => {
            close("pixel accuracy", Some(overlap.pixel_accuracy), ratio(right(0), all(0)));
            close("foreground accuracy", overlap.foreground_accuracy, ratio(right(1), all(1)));
            check_mean("mean IoU", overlap.mean_iou, &scores[0]);
            check_mean("mean Dice", overlap.mean_dice, &scores[1]);
            check_mean("mean accuracy", overlap.mean_accuracy, &scores[2]);
        }
    }
}

fn check_calibration(pixels: &[Pixel], bins: usize, report: &SegmentationReport) {
    let pooled = report.calibration.as_ref();
    close("ECE", pooled.map(|pooled| pooled.ece), ece(&top(pixels, |_| true), bins));
    let losses: Vec<f64> = pixels.iter().map(|pixel| -pixel.probs[pixel.label].ln()).collect();
    close("NLL", pooled.map(|pooled| pooled.nll), mean(&losses));
    let mut errors = Vec::new();
    for (k, class) in report.classes.iter().enumerate() {
        let events: Vec<_> =
            pixels.iter().map(|pixel| (pixel.probs[k], pixel.label == k)).collect();
        close("ECE of a class", class.ece, ece(&events, bins));
        errors.extend(class.ece);
        let predicted = top(pixels, |pixel| pixel.predicted == k);
        close("ECE where a class is predicted", class.predicted_ece, ece(&predicted, bins));
        assert_eq!(class.reliability.as_ref().map_or(0, |r| r.n), predicted.len() as u64);
    }
    close("classwise ECE", pooled.and_then(|pooled| pooled.cece), mean(&errors));
}

fn check_parts(
    pixels: &[Pixel],
    set: &Set,
    settings: &SegmentationSettings,
    report: &SegmentationReport,
) {
    let mut errors = Vec::new();
    assert_eq!(report.by_image.len(), set.images.len());
    for (index, image) in report.by_image.iter().enumerate() {
        let events = top(pixels, |pixel| pixel.image == index);
        assert_eq!((image.index, image.pixels), (index as u64, events.len() as u64));
        close("ECE of an image", image.ece, ece(&events, settings.bins));
        close(
            "accuracy",
            image.accuracy,
            ratio(events.iter().filter(|(_, right)| *right).count(), events.len()),
        );
        close(
            "confidence",
            image.confidence,
            mean(&events.iter().map(|(p, _)| *p).collect::<Vec<_>>()),
        );
        errors.extend(image.ece);
    }
    close("mean of images", report.image_ece.map(|q| q.mean), mean(&errors));
    assert_eq!(report.image_ece, Quantiles::of(&errors));
    assert_eq!(report.void_images, (set.images.len() - errors.len()) as u64);
    for (index, band) in report.bands.iter().enumerate() {
        let in_band = |pixel: &Pixel| {
            pixel.distance >= band.from && band.to.is_none_or(|to| pixel.distance <= to)
        };
        let events = top(pixels, in_band);
        assert_eq!((band.pixels, &band.name), (events.len() as u64, &settings.bands.name(index)));
        close("ECE of a band", band.ece, ece(&events, settings.bins));
        let mut ious = Vec::new();
        for k in 0..set.classes {
            let count =
                |of: &dyn Fn(&Pixel) -> bool| pixels.iter().filter(|p| in_band(p) && of(p)).count();
            let both = count(&|p| p.label == k && p.predicted == k);
            ious.extend(ratio(both, count(&|p| p.label == k || p.predicted == k)));
        }
        close("mean IoU of a band", band.mean_iou, mean(&ious));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn metrics_match_their_definitions(
        set in sets(1..5),
        bins in prop_oneof![Just(7usize), Just(11), Just(13)],
        counted in any::<bool>(),
        starts in prop_oneof![Just(vec![]), Just(vec![1, 2]), Just(vec![2, 5, 10])],
    ) {
        let void_edges = if counted { VoidEdges::Counted } else { VoidEdges::Ignored };
        let bands = DistanceBands::new(&starts).unwrap();
        let settings = SegmentationSettings { bins, bands, void_edges, ..Default::default() };
        let mut metrics = SegmentationMetrics::new(set.classes, settings.clone()).unwrap();
        set.add(&mut metrics, &set.indices()).unwrap();
        let (report, pixels) = (metrics.value().unwrap(), pixels(&set, void_edges));
        prop_assert_eq!(report.pixels, pixels.len() as u64);
        prop_assert_eq!(report.void_pixels as usize, set.images.len() * set.area() - pixels.len());
        check_overlap(&pixels, &report);
        check_calibration(&pixels, bins, &report);
        check_parts(&pixels, &set, &settings, &report);
        // Without the classwise error, all other metrics are the same.
        let mut fewer = SegmentationMetrics::new(set.classes, SegmentationSettings { classwise: false, ..settings }).unwrap();
        set.add(&mut fewer, &set.indices()).unwrap();
        let mut expected = report.clone();
        expected.classes.iter_mut().for_each(|class| class.ece = None);
        expected.calibration.iter_mut().for_each(|pooled| pooled.cece = None);
        prop_assert_eq!(fewer.value().unwrap(), expected);
        let text = serde_json::to_string(&report).unwrap();
        prop_assert_eq!(serde_json::from_str::<SegmentationReport>(&text).unwrap(), report);
    }
}

#[test]
fn quantiles_are_those_of_numpy() {
    // numpy.quantile([.5, .25, 2, 1], [0, .25, .5, .75, 1])
    let found = Quantiles::of(&[0.5, 0.25, 2.0, 1.0]).unwrap();
    assert_eq!(
        [found.min, found.lower_quartile, found.median, found.upper_quartile, found.max],
        [0.25, 0.4375, 0.75, 1.25, 2.0]
    );
    assert_eq!((found.mean, found.count), (0.9375, 4));
    let one = Quantiles::of(&[0.25]).unwrap();
    assert_eq!(
        [one.min, one.lower_quartile, one.median, one.upper_quartile, one.max, one.mean],
        [0.25; 6]
    );
}
