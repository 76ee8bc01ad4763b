use super::classification::{Rows, rows, rows_in_batches};
use super::{check, refused};
use mbls_core::metric::{
    LogitRows, Metric, OodDetection, OodScore, OodScores, Predictions, RiskCoverageCurve,
    TopLabelSamples, energy_scores,
};
use proptest::prelude::*;
use serde_json::json;

fn curve(input: &Predictions) -> RiskCoverageCurve {
    let mut metric = TopLabelSamples::new();
    metric.update(input).unwrap();
    metric.value().unwrap().risk_coverage()
}

/// Generates scores with many ties, and whether each is in-distribution.
fn scores() -> impl Strategy<Value = Vec<(f64, bool)>> {
    prop::collection::vec(
        ((-5i8..5).prop_map(|score| f64::from(score) / 3.0), any::<bool>()),
        2..40,
    )
}

fn detection(scores: &[(f64, bool)]) -> OodDetection {
    let side =
        |inside| scores.iter().filter(|row| row.1 == inside).map(|row| row.0).collect::<Vec<_>>();
    let mut detection = OodDetection::new();
    detection.update(OodScores::inside(&side(true)).unwrap()).unwrap();
    detection.update(OodScores::outside(&side(false)).unwrap()).unwrap();
    detection
}

/// Returns all orders of tied rows, in descending order of confidence, as whether each row is
/// incorrect.
fn orders(rows: Vec<(f64, bool)>) -> Vec<Vec<bool>> {
    if rows.is_empty() {
        return vec![Vec::new()];
    }
    let most = rows.iter().map(|row| row.0).fold(f64::NEG_INFINITY, f64::max);
    let first = (0..rows.len()).filter(|&i| rows[i].0 == most);
    let with_first = |i: usize| {
        let mut rest = rows.clone();
        let (_, wrong) = rest.remove(i);
        orders(rest)
            .into_iter()
            .map(move |order| [&[wrong], &order[..]].concat())
            .collect::<Vec<_>>()
    };
    first.flat_map(with_first).collect()
}

fn area(order: &[bool]) -> f64 {
    let risk = |i: usize| order[..i].iter().filter(|&&wrong| wrong).count() as f64 / i as f64;
    (1..=order.len()).map(risk).sum::<f64>() / order.len() as f64
}

proptest! {
    #[test]
    fn shards((rows, batches) in rows_in_batches()) {
        // The last row is OOD, the others according to their labels; there must be at least two
        // rows.
        prop_assume!(batches.0 > 1);
        let inside = |row: usize| row == 0 || (row + 1 < batches.0 && rows.labels[row] != 0);
        check(OodDetection::new(), &batches, |m, b| {
            let scores = OodScore::Entropy.of(rows.predictions(b).unlabelled());
            let side = |wanted| {
                let of_side = b.iter().zip(&scores).filter(|(row, _)| inside(**row) == wanted);
                of_side.map(|(_, score)| *score).collect::<Vec<_>>()
            };
            m.update(OodScores::outside(&side(false)).unwrap()).unwrap();
            m.update(OodScores::inside(&side(true)).unwrap()).unwrap();
        });
    }

    /// The area is the mean over all orders of ties, and is between the areas of the best and the
    /// worst ranking.
    #[test]
    fn risk_coverage_is_its_definition(rows in rows(6)) {
        let input = rows.all();
        let all: Vec<(f64, bool)> = (0..6).map(|row| (input.confidence(row), !input.correct(row))).collect();
        let orders = orders(all.clone());
        let expected = orders.iter().map(|order| area(order)).sum::<f64>() / orders.len() as f64;
        let curve = curve(&input);
        prop_assert!((curve.aurc() - expected).abs() < 1e-12, "{} instead of {}", curve.aurc(), expected);
        let mut best: Vec<bool> = all.iter().map(|row| row.1).collect();
        best.sort_unstable();
        prop_assert!((curve.optimal_aurc() - area(&best)).abs() < 1e-12);
        prop_assert!((curve.excess_aurc() - (expected - area(&best)).max(0.0)).abs() < 1e-12);
        best.reverse();
        prop_assert!(curve.aurc() <= area(&best) + 1e-12 && curve.excess_aurc() >= 0.0);

        let last = curve.points.last().unwrap();
        prop_assert_eq!((last.accepted, last.wrong, last.coverage), (6, curve.wrong, 1.0));
        for point in &curve.points {
            let accepted: Vec<_> = all.iter().filter(|row| row.0 >= point.threshold).collect();
            prop_assert_eq!(point.accepted, accepted.len() as u64);
            prop_assert_eq!(point.wrong, accepted.iter().filter(|row| row.1).count() as u64);
            prop_assert_eq!(curve.at_coverage(point.coverage), Some(point));
            prop_assert_eq!(point.risk, point.wrong as f64 / point.accepted as f64);
        }
        prop_assert_eq!(curve.at_coverage(0.0), curve.points.first());
        prop_assert_eq!(curve.at_coverage(1.1), None);
        prop_assert_eq!(curve.at_coverage(f64::NAN), None);
    }

    #[test]
    fn ood_detection_is_its_definition(scores in scores()) {
        let side = |inside| scores.iter().filter(|row| row.1 == inside).map(|row| row.0).collect::<Vec<_>>();
        let (inside, outside) = (side(true), side(false));
        let Some(report) = detection(&scores).value() else {
            prop_assert!(inside.is_empty() || outside.is_empty());
            return Ok(());
        };
        let pairs = inside.iter().flat_map(|a| outside.iter().map(move |b| (a, b)));
        let won: f64 = pairs.map(|(a, b)| if a > b { 1.0 } else if a == b { 0.5 } else { 0.0 }).sum();
        let expected = won / (inside.len() * outside.len()) as f64;
        prop_assert!((report.auroc - expected).abs() < 1e-12, "{} instead of {}", report.auroc, expected);

        let accepted = |of: &[f64], threshold: f64| of.iter().filter(|&&score| score >= threshold).count() as f64;
        let mut thresholds: Vec<f64> = scores.iter().map(|row| row.0).collect();
        thresholds.sort_by(|a, b| b.total_cmp(a));
        let enough = |threshold: &&f64| accepted(&inside, **threshold) >= 0.95 * inside.len() as f64 - 1e-9;
        let threshold = *thresholds.iter().find(enough).unwrap();
        prop_assert_eq!(report.fpr_at_95_tpr, accepted(&outside, threshold) / outside.len() as f64);

        // Exchanging in-distribution and OOD rows and negating the scores exchanges the two areas.
        let mirrored: Vec<(f64, bool)> = scores.iter().map(|&(score, inside)| (-score, !inside)).collect();
        let mirrored = detection(&mirrored).value().unwrap();
        prop_assert_eq!((mirrored.aupr_in, mirrored.aupr_out), (report.aupr_out, report.aupr_in));
        prop_assert_eq!(mirrored.auroc, report.auroc);
        for value in [report.auroc, report.aupr_in, report.aupr_out, report.fpr_at_95_tpr] {
            prop_assert!((0.0..=1.0).contains(&value));
        }
    }

    /// The values do not depend on the scale of the scores.
    #[test]
    fn ood_detection_depends_on_ranks_alone(scores in scores()) {
        let scaled: Vec<(f64, bool)> = scores.iter().map(|&(score, inside)| ((4.0 * score).exp(), inside)).collect();
        prop_assert_eq!(detection(&scaled).value(), detection(&scores).value());
    }

    #[test]
    fn scores_are_their_definitions(rows in rows(10), temperature in 0.25f64..4.0) {
        let Rows { classes, logits, .. } = &rows;
        let input = rows.all();
        let found = [OodScore::Confidence, OodScore::Entropy, OodScore::EntropyReference, OodScore::Margin];
        let found = found.map(|score| score.of(input.unlabelled()));
        let energies = energy_scores(LogitRows::new(logits, *classes).unwrap(), temperature).unwrap();
        for (row, logits) in logits.chunks(*classes).enumerate() {
            let mut p = input.probs(row).to_vec();
            p.sort_by(|a, b| b.total_cmp(a));
            let entropy: f64 = p.iter().map(|p| p * p.ln()).sum();
            let expected = [p[0], entropy, entropy / (*classes as f64).ln(), p[0] - p[1]];
            for (found, expected) in found.iter().zip(expected) {
                prop_assert!((found[row] - expected).abs() < 1e-8, "{} instead of {}", found[row], expected);
            }
            let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) / temperature).exp()).sum();
            prop_assert!((energies[row] - temperature * sum.ln()).abs() < 1e-9);
        }
    }
}

#[test]
fn extreme_logits_have_finite_scores() {
    let logits = [3e38, -3e38, 0.0, 3e38, 3e38, 3e38];
    let input = Predictions::from_logits(&logits, 3, &[0, 0]).unwrap();
    for score in
        [OodScore::Confidence, OodScore::Entropy, OodScore::EntropyReference, OodScore::Margin]
    {
        assert!(score.of(input.unlabelled()).iter().all(|score| score.is_finite()), "{score:?}");
    }
    let rows = LogitRows::new(&logits, 3).unwrap();
    assert!(energy_scores(rows, 1e-3).unwrap().iter().all(|score| score.is_finite()));
}

#[test]
fn wrong_input_is_refused() {
    for value in [f64::NAN, f64::INFINITY] {
        let message = OodScores::inside(&[0.0, value]).unwrap_err().to_string();
        assert_eq!(message, format!("score {value} at row 1: expected a finite number"));
        assert!(OodScores::outside(&[value]).is_err());
    }
    let rows = LogitRows::new(&[0.0, 1.0], 2).unwrap();
    let message = energy_scores(rows, 0.0).unwrap_err().to_string();
    assert_eq!(message, "temperature = 0: expected a finite number greater than 0");
}

#[test]
fn states_that_contradict_themselves_are_refused() {
    let message =
        refused::<OodDetection>("ood-detection", json!({"inside": [], "outside": [u64::MAX]}));
    assert!(message.contains("expected a finite number"), "{message}");
}
