//! A threshold on the confidence, below which the model abstains, with its guarantee.

use mbls_core::metric::{RiskCoverageCurve, RiskCoveragePoint};

/// A threshold and an upper bound of its risk on new rows of the same distribution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Threshold {
    pub(crate) point: RiskCoveragePoint,
    pub(crate) bound: f64,
}

/// The coverages that are tried for a risk: 1 %, 2 % .. 100 % of the rows.
const TRIED: u32 = 100;

/// Returns the threshold of the largest coverage whose risk is at most `risk` with probability
/// `level`; `None` if no threshold that was tried is.
///
/// Coverages are tried that do not depend on the rows, each with a bound that fails with
/// probability `(1 - level) / 100`, so that all bounds hold together with probability `level`, and
/// the choice among them is free. A search that chooses the next coverage by the errors at the last
/// one, as in the paper, needs fewer bounds, but its coverages depend on the errors.
///
/// # References
///
/// Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, NeurIPS 2017 (arXiv
/// 1705.08500).
pub(crate) fn for_risk(curve: &RiskCoverageCurve, risk: f64, level: f64) -> Option<Threshold> {
    let failure = (1.0 - level) / f64::from(TRIED);
    let tried = (1..=TRIED).rev().filter_map(|percent| {
        let point = *curve.at_coverage(f64::from(percent) / f64::from(TRIED))?;
        Some(Threshold { point, bound: bound(&point, failure) })
    });
    tried.into_iter().find(|threshold| threshold.bound <= risk)
}

/// Returns the bound of a point's risk. The row whose confidence is the threshold has chosen it,
/// and is no evidence for it: it counts only if it is wrong.
fn bound(point: &RiskCoveragePoint, failure: f64) -> f64 {
    upper_bound(point.wrong, point.accepted.saturating_sub(1), failure)
}

/// Returns the threshold that accepts at least a fraction `coverage` of the rows, and the bound of
/// its risk that holds with probability `level`.
pub(crate) fn for_coverage(
    curve: &RiskCoverageCurve,
    coverage: f64,
    level: f64,
) -> Option<Threshold> {
    let point = *curve.at_coverage(coverage)?;
    Some(Threshold { point, bound: bound(&point, 1.0 - level) })
}

/// Returns the upper Clopper-Pearson bound of a probability: with `wrong` of `n` seen, the largest
/// one under which at most as many have a probability of `failure`.
pub(crate) fn upper_bound(wrong: u64, n: u64, failure: f64) -> f64 {
    if wrong >= n {
        return 1.0;
    }
    let (mut low, mut high) = (wrong as f64 / n as f64, 1.0);
    // Halved until no number is between.
    for _ in 0..100 {
        let middle = 0.5 * (low + high);
        if at_most(wrong, n, middle) > failure { low = middle } else { high = middle }
    }
    high
}

/// Returns the probability of at most `wrong` of `n`, each of probability `p` between 0 and 1.
fn at_most(wrong: u64, n: u64, p: f64) -> f64 {
    if p >= 1.0 {
        return 0.0;
    }
    // Terms relative to the last one, the largest: p is at least wrong / n.
    let (mut term, mut sum) = (1.0, 1.0);
    for k in (0..wrong).rev() {
        term *= (k + 1) as f64 / (n - k) as f64 * (1.0 - p) / p;
        sum += term;
        if term < 1e-18 * sum {
            break;
        }
    }
    let (n, k) = (n as f64, wrong as f64);
    let choose = libm::lgamma(n + 1.0) - libm::lgamma(k + 1.0) - libm::lgamma(n - k + 1.0);
    let hits = if k > 0.0 { k * libm::log(p) } else { 0.0 };
    libm::exp(choose + hits + (n - k) * libm::log1p(-p) + libm::log(sum))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbls_core::metric::{Metric, TopLabelSamples, TopLabels};

    #[test]
    fn bounds_are_those_of_clopper_and_pearson() {
        // Without an error the bound is 1 - failure^(1 / n).
        let exact = 1.0 - 0.05f64.powf(1.0 / 100.0);
        assert!((upper_bound(0, 100, 0.05) - exact).abs() < 1e-12);
        // With n - 1 errors it is (1 - failure)^(1 / n): then all n are wrong with 1 - failure.
        let exact = 0.95f64.powf(1.0 / 7.0);
        assert!((upper_bound(6, 7, 0.05) - exact).abs() < 1e-12);
        assert_eq!(upper_bound(7, 7, 0.05), 1.0);
        // Sums of binomial terms by hand: 1 of 3 at p has (1 - p)^3 + 3 p (1 - p)^2.
        let p = upper_bound(1, 3, 0.1);
        assert!(((1.0 - p).powi(3) + 3.0 * p * (1.0 - p).powi(2) - 0.1).abs() < 1e-12);
        let many = upper_bound(1000, 50_000, 0.05);
        // Close to the normal approximation 0.02 + 1.645 sqrt(0.02 0.98 / 50000).
        assert!((many - 0.02103).abs() < 1e-4, "{many}");
    }

    #[test]
    fn a_threshold_for_a_risk_holds_its_bound() {
        let n = 4000;
        let confidences: Vec<f64> = (0..n).map(|i| f64::from(i) / f64::from(n)).collect();
        // Errors end at the confidence 0.5.
        let correct: Vec<bool> = (0..n).map(|i| i >= n / 2 || i % 3 == 0).collect();
        let mut samples = TopLabelSamples::new();
        samples.add(&TopLabels::new(&confidences, &correct).unwrap()).unwrap();
        let curve = samples.value().unwrap().risk_coverage();
        let found = for_risk(&curve, 0.02, 0.95).unwrap();
        assert!(found.bound <= 0.02 && found.point.risk < found.bound);
        assert!((0.5..0.52).contains(&found.point.coverage), "{found:?}");
        assert!(for_risk(&curve, 1e-4, 0.95).is_none(), "4000 rows cannot show that");
        assert_eq!(for_risk(&curve, 1.0, 0.95).unwrap().point.accepted, 4000);
        let half = for_coverage(&curve, 0.5, 0.95).unwrap();
        assert_eq!((half.point.accepted, half.point.wrong), (2000, 0));
    }
}
