use crate::metric::calibration::SortedTopLabels;
use serde::Serialize;

/// The risk-coverage curve of a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RiskCoverageCurve {
    /// Number of rows.
    pub n: u64,
    /// Number of incorrect rows.
    pub wrong: u64,
    /// One point per distinct confidence, in descending order. The last point accepts all rows.
    pub points: Vec<RiskCoveragePoint>,
}

/// The rows accepted by a threshold on the confidence.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RiskCoveragePoint {
    /// The smallest confidence that is accepted.
    pub threshold: f64,
    /// Number of accepted rows, at least 1.
    pub accepted: u64,
    /// Number of accepted rows that are incorrect.
    pub wrong: u64,
    /// Fraction of all rows that are accepted.
    pub coverage: f64,
    /// Fraction of the accepted rows that are incorrect.
    pub risk: f64,
}

impl SortedTopLabels {
    /// Computes the risk-coverage curve: the error rate of a model that abstains on rows below a
    /// confidence threshold.
    ///
    /// ```
    /// use mbls_core::metric::{Metric, TopLabelSamples, TopLabels};
    ///
    /// let mut samples = TopLabelSamples::new();
    /// samples.add(&TopLabels::new(&[0.875, 0.75], &[true, false])?)?;
    /// let curve = samples.value().expect("two rows were added").risk_coverage();
    /// assert_eq!((curve.points[0].coverage, curve.points[0].risk), (0.5, 0.0));
    /// assert_eq!((curve.aurc(), curve.excess_aurc()), (0.25, 0.0));
    /// # Ok::<(), mbls_core::Error>(())
    /// ```
    ///
    /// # References
    ///
    /// El-Yaniv and Wiener, On the foundations of noise-free selective classification, JMLR 11,
    /// 2010.
    pub fn risk_coverage(&self) -> RiskCoverageCurve {
        let n = self.n();
        let (mut points, mut accepted, mut wrong) = (Vec::new(), 0, 0);
        for tied in self.samples().chunk_by(|a, b| a.units() == b.units()).rev() {
            accepted += tied.len() as u64;
            wrong += tied.iter().filter(|sample| !sample.correct()).count() as u64;
            let (coverage, risk) = (accepted as f64 / n as f64, wrong as f64 / accepted as f64);
            points.push(RiskCoveragePoint {
                threshold: tied[0].confidence(),
                accepted,
                wrong,
                coverage,
                risk,
            });
        }
        RiskCoverageCurve { n, wrong, points }
    }
}

impl RiskCoverageCurve {
    /// Returns the point with the largest threshold that accepts at least a fraction `coverage` of
    /// the rows; `None` for a fraction above 1 and for NaN.
    pub fn at_coverage(&self, coverage: f64) -> Option<&RiskCoveragePoint> {
        self.points.iter().find(|point| point.coverage >= coverage)
    }

    /// Computes the area under the risk-coverage curve (AURC): the mean over `i = 1..n` of the risk
    /// of the `i` most confident rows.
    ///
    /// For ties it is the expectation over their orders: of `g` tied rows, `w` of them incorrect,
    /// the first `j` are expected to contain `w j / g` incorrect rows.
    ///
    /// # References
    ///
    /// Geifman, Uziel and El-Yaniv, Bias-Reduced Uncertainty Estimation for Deep Neural
    /// Classifiers, ICLR 2019 (arXiv 1805.08206).
    pub fn aurc(&self) -> f64 {
        let (mut total, mut before) = (0.0, (0, 0));
        for point in &self.points {
            let (accepted, wrong) = before;
            let rows = point.accepted - accepted;
            let slope = (point.wrong - wrong) as f64 / rows as f64;
            let risk = |j: u64| (wrong as f64 + slope * j as f64) / (accepted + j) as f64;
            total += (1..=rows).map(risk).sum::<f64>();
            before = (point.accepted, point.wrong);
        }
        total / self.n as f64
    }

    /// Computes the area under the curve of the best ranking, with all correct rows before all
    /// incorrect ones. It is the minimum over all rankings.
    pub fn optimal_aurc(&self) -> f64 {
        let right = self.n - self.wrong;
        (1..=self.wrong).map(|j| j as f64 / (right + j) as f64).sum::<f64>() / self.n as f64
    }

    /// Computes the excess AURC: the difference between the AURC and the minimum that is possible
    /// with this number of errors.
    ///
    /// It is 0 for a perfect ranking. The paper approximates [`optimal_aurc`](Self::optimal_aurc)
    /// by `r + (1 - r) log(1 - r)`, where `r` is the risk of all rows, to which it converges as n
    /// grows; the value here is exact.
    pub fn excess_aurc(&self) -> f64 {
        (self.aurc() - self.optimal_aurc()).max(0.0)
    }
}
