//! The findings about losses that hurt, help or are not distinguishable.

use crate::fixture::{complete, full, loss, plain, suite};
use mbls_report::{Summary, findings};

/// Returns the findings about a loss with the given ECE and a baseline of 2 %, [1.5, 2.5].
fn against_baseline(ece: Summary) -> Vec<String> {
    findings(&suite(vec![
        loss("CE", &[("ece", full(0.02, 0.001, 0.015, 0.025))]),
        loss("LS", &[("ece", ece)]),
    ]))
}

#[test]
fn all_kinds() {
    assert_eq!(
        findings(&complete().suites[0]),
        [
            "Baseline: CE, ECE 2.00 %.",
            "Hurt, ECE higher than the baseline's: LS by 4.00 points.",
            "Helped, ECE lower than the baseline's: MbLS by 1.00 points.",
            "Not distinguishable from the baseline, the intervals overlap: Focal (+0.20 points).",
            "Not judged, an interval is missing: ECP (+1.00 points).",
            "Not compared, an ECE is missing: Margin.",
        ]
    );
}

#[test]
fn intervals_that_touch_overlap() {
    const NEITHER: [&str; 2] = [
        "No loss hurt calibration beyond the intervals.",
        "No loss helped calibration beyond the intervals.",
    ];
    for (ece, sentence) in [
        (full(0.03, 0.001, 0.025, 0.035), "(+1.00 points)."),
        (full(0.01, 0.001, 0.005, 0.015), "(\u{2212}1.00 points)."),
        // The interval is above the baseline's, but the mean is below it: the two disagree.
        (full(0.015, 0.001, 0.03, 0.04), "(\u{2212}0.50 points)."),
        (full(0.02, 0.001, 0.03, 0.04), "(0.00 points)."),
    ] {
        let sentences = against_baseline(ece);
        assert_eq!(sentences[1..3], NEITHER, "{ece:?}");
        let expected =
            format!("Not distinguishable from the baseline, the intervals overlap: LS {sentence}");
        assert_eq!(sentences[3..], [expected], "{ece:?}");
    }
    assert!(against_baseline(full(0.03, 0.001, 0.0251, 0.035))[1].starts_with("Hurt"));
    assert!(against_baseline(full(0.01, 0.001, 0.005, 0.0149))[2].starts_with("Helped"));
}

#[test]
fn what_cannot_be_judged() {
    let last = |ece| against_baseline(ece).pop().unwrap();
    for ece in [plain(0.03), full(0.03, 0.001, f64::NAN, 0.04), full(0.03, 0.001, 0.04, 0.03)] {
        assert_eq!(last(ece), "Not judged, an interval is missing: LS (+1.00 points).");
    }
    for mean in [f64::NAN, f64::INFINITY] {
        let sentences = against_baseline(full(mean, 0.001, 0.03, 0.04));
        assert_eq!(
            sentences,
            ["Baseline: CE, ECE 2.00 %.", "Not compared, an ECE is missing: LS."]
        );
    }
    let no_baseline = suite(vec![loss("CE", &[]), loss("LS", &[("ece", plain(0.02))])]);
    assert_eq!(
        findings(&no_baseline),
        ["Baseline: CE, ECE –.", "Not compared, an ECE is missing: LS."]
    );
}

#[test]
fn nothing_to_compare() {
    assert!(findings(&suite(vec![])).is_empty());
    assert!(findings(&suite(vec![loss("CE", &[("ece", plain(0.02))])])).is_empty());
}
