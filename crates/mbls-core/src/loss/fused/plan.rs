use super::super::{
    Anchor, AugmentedPenalty, ClassReduction, LogitBatch, LogitPenalty, Margin, PenaltyShape,
    Reduction, targets::IGNORED,
};
use super::cost::{Augmented, Shaped};
use crate::simd::Real;
use crate::{Error, Result};

/// The first term of a loss, computed from the probability of the label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Base {
    /// `-log p_y`.
    CrossEntropy,
    /// `-(1 - p_y)^gamma log p_y`.
    Focal(Gamma),
}

/// The exponent of a focal loss, which depends on the probability of the label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Gamma {
    /// Upper bounds of the probability and their exponents, in ascending order.
    pub(in super::super) below: [(f64, f64); 2],
    /// The exponent for larger probabilities.
    pub(in super::super) otherwise: f64,
}

impl Gamma {
    pub(in super::super) fn constant(gamma: f64) -> Self {
        Self { below: [(0.0, gamma); 2], otherwise: gamma }
    }

    fn at(&self, p: f64) -> f64 {
        self.below.iter().find(|(below, _)| p < *below).map_or(self.otherwise, |(_, gamma)| *gamma)
    }
}

impl Base {
    /// Returns the value for the logarithm of the label's probability, and the factor of
    /// `p - onehot(y)` in its gradient.
    ///
    /// As in the composed form, the focal loss is the constant 0 where p is 1.
    #[inline(always)]
    pub(super) fn value_and_slope(&self, log_p: f64) -> (f64, f64) {
        match self {
            Self::CrossEntropy => (-log_p, 1.0),
            Self::Focal(gamma) => {
                let p = log_p.exp();
                let complement = 1.0 - p;
                if complement <= 0.0 {
                    return (0.0, 0.0);
                }
                let gamma = gamma.at(p);
                let power = power(complement, gamma);
                (-power * log_p, power - gamma * p * log_p * power / complement)
            }
        }
    }
}

/// Computes `x^gamma`, without a logarithm for common exponents.
fn power(x: f64, gamma: f64) -> f64 {
    match gamma {
        1.0 => x,
        2.0 => x * x,
        3.0 => x * x * x,
        5.0 => x * x * x * x * x,
        _ => x.powf(gamma),
    }
}

/// The second term of a loss, added to its base.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Second {
    None,
    /// `mean_k -log p_k`.
    Uniform,
    /// The penalty of the row.
    Penalty(LogitPenalty),
    /// `mean_k P(h_k; lambda_k, rho_k)` with `h_k = (max_j l_j - l_k) / margin - 1`.
    Augmented {
        penalty: AugmentedPenalty,
        margin: f64,
        lambda: Vec<f64>,
        rho: Vec<f64>,
    },
}

/// A penalty on the largest logit of a row itself: `max(0, max_k l_k - margin)^2`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct TopLogit {
    pub(super) margin: f64,
    pub(super) weight: f64,
}

/// A loss in the form that the kernels compute: the weighted sum of up to three terms for each row.
#[derive(Clone, Debug)]
pub(in super::super) struct Plan {
    base: Base,
    top_logit_margin: f64,
    second: Second,
    /// Names and weights of base, penalty of the top logit and second term; `None` for a missing
    /// one.
    terms: [Option<(&'static str, f64)>; 3],
}

/// A plan for one batch, in the numbers that kernels read.
pub(super) struct Prepared<F> {
    pub(super) base: Base,
    pub(super) base_weight: f64,
    /// The weight of the logarithm of the sum of the exponentials, which the uniform term has in
    /// addition to its cost.
    pub(super) uniform_weight: f64,
    /// The weight of the penalty, including its scale.
    pub(super) penalty_weight: f64,
    pub(super) penalty: Penalty<F>,
    pub(super) top_logit: Option<TopLogit>,
    /// The weight of a row by its label, as it enters the value of the batch.
    pub(super) row_weights: Vec<f64>,
}

/// The total cost of the classes of a row: `scale sum_k cost(anchor - l_k)`.
pub(super) struct Penalty<F> {
    pub(super) target_anchor: bool,
    pub(super) moves_anchor: bool,
    pub(super) form: Form<F>,
    pub(super) scale: f64,
    /// Two numbers per class, whose meaning depends on the form; zeros after the last class.
    classes: Vec<[[F; LANES]; 2]>,
}

/// The formula of a cost, see [`cost`](super::cost).
#[derive(Clone, Copy)]
pub(super) enum Form<F> {
    Nothing,
    Uniform,
    Hinge,
    Shaped(Shaped<F>),
    Augmented(Augmented<F>),
}

/// Classes that a kernel processes at once.
pub(super) const LANES: usize = 16;

impl Plan {
    /// Creates a plan of one term, `weight * base`, named `name`.
    pub(in super::super) fn new(name: &'static str, weight: f64, base: Base) -> Self {
        Self {
            base,
            top_logit_margin: 0.0,
            second: Second::None,
            terms: [Some((name, weight)), None, None],
        }
    }

    /// Adds a penalty on the top logit beyond `margin`.
    pub(in super::super) fn with_top_logit(
        mut self,
        name: &'static str,
        weight: f64,
        margin: f64,
    ) -> Self {
        self.top_logit_margin = margin;
        self.terms[1] = Some((name, weight));
        self
    }

    /// Adds the term `weight * second`.
    pub(in super::super) fn with_second(
        mut self,
        name: &'static str,
        weight: f64,
        second: Second,
    ) -> Self {
        self.second = second;
        self.terms[2] = Some((name, weight));
        self
    }

    /// Names and weights of the terms in the order of [`Sums::terms`](super::Sums::terms); `None`
    /// for a missing one.
    pub(super) fn terms(&self) -> [Option<(&'static str, f64)>; 3] {
        self.terms
    }
}

impl<F: Real> Prepared<F> {
    pub(super) fn new(plan: &Plan, batch: &LogitBatch) -> Result<Self> {
        let classes = batch.classes();
        let weights = batch.class_weights().map_or_else(|| vec![1.0; classes], <[f64]>::to_vec);
        let scale = match batch.reduction() {
            Reduction::Mean => {
                let counted = batch.targets().iter().filter(|target| **target != IGNORED);
                1.0 / match batch.class_weights() {
                    None => batch.rows() as f64,
                    Some(weights) => counted.map(|&target| weights[target as usize]).sum(),
                }
            }
            Reduction::Sum | Reduction::None => 1.0,
        };
        let penalty = Penalty::new(&plan.second, classes)?;
        let [base_weight, _, second_weight] =
            plan.terms.map(|term| term.map_or(0.0, |(_, weight)| weight));
        Ok(Self {
            base: plan.base,
            base_weight,
            uniform_weight: if plan.second == Second::Uniform { second_weight } else { 0.0 },
            penalty_weight: second_weight * penalty.scale,
            penalty,
            top_logit: plan.terms[1]
                .map(|(_, weight)| TopLogit { margin: plan.top_logit_margin, weight }),
            row_weights: weights.into_iter().map(|weight| weight * scale).collect(),
        })
    }

    /// The weight of a row with this label.
    #[inline(always)]
    pub(super) fn row_weight(&self, target: u32) -> f64 {
        self.row_weights[target as usize]
    }

    /// Returns the second term of a row, unweighted, from the sum of the costs of its classes.
    #[inline(always)]
    pub(super) fn second(&self, log_sum: f64, cost: f64) -> f64 {
        let log_sum = if matches!(self.penalty.form, Form::Uniform) { log_sum } else { 0.0 };
        log_sum + self.penalty.scale * cost
    }
}

impl TopLogit {
    /// Returns cost and slope of the largest logit; NaN is kept.
    #[inline(always)]
    pub(super) fn cost_and_slope(&self, max: f64) -> (f64, f64) {
        let excess = if max <= self.margin { 0.0 } else { max - self.margin };
        (excess * excess, 2.0 * excess)
    }
}

impl<F: Real> Penalty<F> {
    fn new(second: &Second, classes: usize) -> Result<Self> {
        let simple = |form, scale| Self {
            target_anchor: false,
            moves_anchor: false,
            form,
            scale,
            classes: vec![[[F::new(0.0); LANES]; 2]; classes.div_ceil(LANES)],
        };
        let mean = 1.0 / classes as f64;
        match second {
            Second::None => Ok(simple(Form::Nothing, 0.0)),
            Second::Uniform => Ok(simple(Form::Uniform, mean)),
            Second::Penalty(penalty) => Self::of_distances(penalty, classes),
            Second::Augmented { penalty, margin, lambda, rho } => Ok(Self {
                moves_anchor: true,
                classes: per_class([("multipliers", lambda), ("multipliers", rho)], classes)?,
                ..simple(
                    Form::Augmented(Augmented {
                        penalty: *penalty,
                        inverse_margin: F::new(1.0 / margin),
                    }),
                    mean,
                )
            }),
        }
    }

    fn of_distances(penalty: &LogitPenalty, classes: usize) -> Result<Self> {
        let shaped = |linear: f64, quadratic: f64, delta: f64| {
            Form::Shaped(Shaped {
                linear: F::new(linear),
                quadratic: F::new(quadratic),
                delta: F::new(delta),
            })
        };
        let form = match (penalty.shape(), penalty.class_weights()) {
            (PenaltyShape::Linear, None) => Form::Hinge,
            (PenaltyShape::Linear, Some(_)) => shaped(1.0, 0.0, 0.0),
            (PenaltyShape::Quadratic, _) => shaped(0.0, 2.0, f64::INFINITY),
            (PenaltyShape::Huber { delta }, _) => shaped(0.0, 1.0, delta),
        };
        let margins = match penalty.margin() {
            Margin::Same(margin) => vec![*margin; classes],
            Margin::PerClass(margins) => margins.clone(),
        };
        let weights = penalty.class_weights().map_or_else(|| vec![1.0; classes], <[f64]>::to_vec);
        Ok(Self {
            target_anchor: penalty.anchor() == Anchor::Target,
            moves_anchor: !penalty.detached_anchor(),
            form,
            scale: match penalty.class_reduction() {
                ClassReduction::Mean => 1.0 / classes as f64,
                ClassReduction::Sum => 1.0,
            },
            classes: per_class(
                [("margins", &margins), ("class weights of the penalty", &weights)],
                classes,
            )?,
        })
    }

    /// The numbers of the classes, [`LANES`] classes at a time.
    #[inline(always)]
    pub(super) fn lanes(&self) -> &[[[F; LANES]; 2]] {
        &self.classes
    }

    #[inline(always)]
    pub(super) fn of_class(&self, class: usize) -> [F; 2] {
        self.classes[class / LANES].map(|lanes| lanes[class % LANES])
    }
}

/// Returns two numbers per class, with zeros in the lanes after the last.
fn per_class<F: Real>(
    numbers: [(&'static str, &[f64]); 2],
    classes: usize,
) -> Result<Vec<[[F; LANES]; 2]>> {
    if let Some((what, wrong)) = numbers.iter().find(|(_, values)| values.len() != classes) {
        let (expected, found) =
            (format!("[{classes}], one per class"), format!("[{}]", wrong.len()));
        return Err(Error::Shape { what, expected, found });
    }
    let lanes = |chunk: usize| {
        numbers.map(|(_, values)| {
            std::array::from_fn(|lane| {
                F::new(values.get(chunk * LANES + lane).copied().unwrap_or(0.0))
            })
        })
    };
    Ok((0..classes.div_ceil(LANES)).map(lanes).collect())
}
