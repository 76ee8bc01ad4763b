//! Compares smooth ECE with a slow evaluation of its definition.

use mbls_core::metric::{Metric, SmoothConvention, SortedTopLabels, TopLabelSamples, TopLabels};

/// Confidence, correctness and number of rows.
type Groups<'a> = &'a [(f64, bool, usize)];

fn rows(groups: Groups) -> SortedTopLabels {
    let confidences: Vec<f64> =
        groups.iter().flat_map(|&(confidence, _, n)| vec![confidence; n]).collect();
    let correct: Vec<bool> = groups.iter().flat_map(|&(_, correct, n)| vec![correct; n]).collect();
    let mut samples = TopLabelSamples::new();
    samples.add(&TopLabels::new(&confidences, &correct).unwrap()).unwrap();
    samples.value().unwrap()
}

/// Computes the integrals of the definition at a bandwidth by the midpoint rule, with every mirror
/// image of every Gaussian that reaches [0, 1].
fn error_at(groups: Groups, bandwidth: f64) -> f64 {
    const POINTS: u32 = 2000;
    let gauss = |x: f64| (-x * x / (2.0 * bandwidth * bandwidth)).exp();
    let (mut residual, mut density) = (0.0, 0.0);
    for point in 0..POINTS {
        let t = (f64::from(point) + 0.5) / f64::from(POINTS);
        let (mut r, mut d) = (0.0, 0.0);
        for &(confidence, correct, n) in groups {
            let images = (-6..=6).map(|k| 2.0 * f64::from(k));
            let kernel: f64 = images
                .map(|shift| gauss(t - confidence - shift) + gauss(t + confidence - shift))
                .sum();
            r += (confidence - f64::from(u8::from(correct))) * n as f64 * kernel;
            d += n as f64 * kernel;
        }
        residual += f64::abs(r);
        density += d;
    }
    residual / density
}

/// Finds the bandwidth that equals the error.
fn definition(groups: Groups) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..30 {
        let middle = 0.5 * (low + high);
        *(if middle < error_at(groups, middle) { &mut low } else { &mut high }) = middle;
    }
    high
}

#[test]
fn smooth_ece_is_right_for_every_error() {
    let mixed: Vec<(f64, bool, usize)> =
        (0..34).map(|i| (0.5 + 0.5 * f64::from(i) / 33.0, i * 7 % 10 < 4, 8)).collect();
    let cases: [(&str, Groups); 8] = [
        // The package relplot returns 0.8638.
        ("two ends that are wrong", &[(0.05, true, 2000), (0.95, false, 2000)]),
        ("272 rows", &mixed),
        ("all wrong at 1", &[(1.0, false, 10)]),
        ("all wrong at 0.97", &[(0.97, false, 10)]),
        ("all right at 0.3", &[(0.3, true, 10)]),
        ("in the middle", &[(0.5, false, 10), (0.6, true, 1)]),
        ("between the ends", &[(0.2, true, 30), (0.55, false, 5), (0.9, false, 20)]),
        ("nearly right", &[(0.7, true, 69), (0.7, false, 31), (0.9, true, 85), (0.9, false, 15)]),
    ];
    let mut errors = Vec::new();
    for (name, groups) in cases {
        let (found, expected) =
            (rows(groups).smooth_ece(SmoothConvention::Definition), definition(groups));
        assert!(
            (found.value - expected).abs() < 1e-3,
            "{name}: {found:?}, by definition {expected}"
        );
        assert!(
            (found.bandwidth - expected).abs() < 1e-3,
            "{name}: {found:?}, by definition {expected}"
        );
        errors.push(found.value);
    }
    assert!((errors[0] - 0.4465).abs() < 1e-3, "{errors:?}");
    assert!(
        errors.iter().any(|error| *error > 0.99) && errors.iter().any(|error| *error < 0.05),
        "{errors:?}"
    );
}
