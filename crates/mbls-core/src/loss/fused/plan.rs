use super::super::{
    Anchor, ClassReduction, LogitBatch, LogitPenalty, Margin, PenaltyShape, Reduction, targets::IGNORED,
};
use crate::simd::Real;
use crate::{Error, Result};

/// What of a row's label and probabilities a loss is made of.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) enum Base {
    /// `-log p_y`.
    CrossEntropy,
    /// `-(1 - p_y)^gamma log p_y`.
    Focal(Gamma),
}

/// The exponent of a focal loss, by the probability of the label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in super::super) struct Gamma {
    /// Below each probability an exponent, in rising order.
    pub(in super::super) below: [(f64, f64); 2],
    /// The exponent from there on.
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
    /// The value for the logarithm of the label's probability, and the factor of `p - onehot(y)` in its gradient.
    ///
    /// As in the composed form the focal loss is the constant 0 where p is 1.
    #[inline(always)]
    pub(super) fn value_and_slope(&self, log_p: f64) -> (f64, f64) {
        match self {
            Self::CrossEntropy => (-log_p, 1.0),
            Self::Focal(gamma) => {
                let p = log_p.exp();
                let doubt = 1.0 - p;
                if doubt <= 0.0 {
                    return (0.0, 0.0);
                }
                let gamma = gamma.at(p);
                let power = power(doubt, gamma);
                (-power * log_p, power - gamma * p * log_p * power / doubt)
            }
        }
    }
}

/// `x^gamma`, without a logarithm for the exponents in use.
fn power(x: f64, gamma: f64) -> f64 {
    match gamma {
        1.0 => x,
        2.0 => x * x,
        3.0 => x * x * x,
        5.0 => x * x * x * x * x,
        _ => x.powf(gamma),
    }
}

/// The second term of a loss, beside its base.
#[derive(Clone, Debug, PartialEq)]
pub(in super::super) enum Second {
    None,
    /// `mean_k -log p_k`.
    Uniform,
    /// The penalty of the row.
    Penalty(LogitPenalty),
}

/// A loss as the kernels compute it: `base_weight * base + second_weight * second` for each row.
#[derive(Clone, Debug)]
pub(in super::super) struct Plan {
    pub(in super::super) base: Base,
    pub(in super::super) base_weight: f64,
    pub(in super::super) second: Second,
    pub(in super::super) second_weight: f64,
}

/// A plan for one batch, in the numbers that kernels read.
pub(super) struct Prepared<F> {
    pub(super) base: Base,
    pub(super) base_weight: f64,
    pub(super) uniform_weight: f64,
    pub(super) penalty_weight: f64,
    pub(super) penalty: Penalty<F>,
    /// The weight of a row by its label, as it enters the value of the batch.
    pub(super) row_weights: Vec<f64>,
}

/// A cost of excesses `e`: with `c = min(e, delta)` it is `linear e + quadratic c (e - c / 2)`, which is every shape.
pub(super) struct Penalty<F> {
    pub(super) target_anchor: bool,
    pub(super) moves_anchor: bool,
    pub(super) linear: F,
    pub(super) quadratic: F,
    pub(super) delta: F,
    /// Per class; the lanes after the last class have infinite margins, which no distance passes.
    margins: Vec<[F; LANES]>,
    /// Per class, with the class reduction in them; 0 after the last class.
    weights: Vec<[F; LANES]>,
}

/// Classes that a kernel takes at once.
pub(super) const LANES: usize = 16;

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
        let (uniform_weight, penalty_weight) = match plan.second {
            Second::None => (0.0, 0.0),
            Second::Uniform => (plan.second_weight, 0.0),
            Second::Penalty(_) => (0.0, plan.second_weight),
        };
        Ok(Self {
            base: plan.base,
            base_weight: plan.base_weight,
            uniform_weight,
            penalty_weight,
            penalty: match &plan.second {
                Second::Penalty(penalty) => Penalty::new(penalty, classes)?,
                Second::None | Second::Uniform => Penalty::none(),
            },
            row_weights: weights.into_iter().map(|weight| weight * scale).collect(),
        })
    }

    /// The weight of a row with a label.
    #[inline(always)]
    pub(super) fn row_weight(&self, target: u32) -> f64 {
        self.row_weights[target as usize]
    }
}

impl<F: Real> Penalty<F> {
    /// Of no weight; kernels leave it out.
    fn none() -> Self {
        let zero = F::new(0.0);
        Self {
            target_anchor: false,
            moves_anchor: false,
            linear: zero,
            quadratic: zero,
            delta: zero,
            margins: Vec::new(),
            weights: Vec::new(),
        }
    }

    fn new(penalty: &LogitPenalty, classes: usize) -> Result<Self> {
        let (linear, quadratic, delta) = match penalty.shape() {
            PenaltyShape::Linear => (1.0, 0.0, 0.0),
            PenaltyShape::Quadratic => (0.0, 2.0, f64::INFINITY),
            PenaltyShape::Huber { delta } => (0.0, 1.0, delta),
        };
        let margins = match penalty.margin() {
            Margin::Same(margin) => vec![*margin; classes],
            Margin::PerClass(margins) => margins.clone(),
        };
        let reduction = match penalty.class_reduction() {
            ClassReduction::Mean => 1.0 / classes as f64,
            ClassReduction::Sum => 1.0,
        };
        let mut weights = penalty.class_weights().map_or_else(|| vec![1.0; classes], <[f64]>::to_vec);
        weights.iter_mut().for_each(|weight| *weight *= reduction);
        Ok(Self {
            target_anchor: penalty.anchor() == Anchor::Target,
            moves_anchor: !penalty.detached_anchor(),
            linear: F::new(linear),
            quadratic: F::new(quadratic),
            delta: F::new(delta),
            margins: per_class("margins", &margins, classes, f64::INFINITY)?,
            weights: per_class("class weights of the penalty", &weights, classes, 0.0)?,
        })
    }

    /// Whether there is a penalty.
    pub(super) fn is_some(&self) -> bool {
        !self.margins.is_empty()
    }

    /// The margins and weights of the classes, as many at once as there are lanes.
    #[inline(always)]
    pub(super) fn lanes(&self) -> impl Iterator<Item = (&[F; LANES], &[F; LANES])> {
        self.margins.iter().zip(&self.weights)
    }

    /// The margin and weight of a class.
    #[inline(always)]
    pub(super) fn of_class(&self, class: usize) -> (F, F) {
        (self.margins[class / LANES][class % LANES], self.weights[class / LANES][class % LANES])
    }

    /// Cost and slope of the distance from the anchor, without the weight of the class.
    #[inline(always)]
    pub(super) fn cost_and_slope(&self, distance: F, margin: F) -> (F, F) {
        // False for NaN, which so stays.
        let within = distance <= margin;
        let excess = if within { F::new(0.0) } else { distance - margin };
        let capped = if excess < self.delta { excess } else { self.delta };
        let cost = self.linear * excess + self.quadratic * (capped * (excess - F::new(0.5) * capped));
        let slope = if within { F::new(0.0) } else { self.linear + self.quadratic * capped };
        (cost, slope)
    }
}

/// One value per class, and `after` in the lanes after the last.
fn per_class<F: Real>(what: &'static str, values: &[f64], classes: usize, after: f64) -> Result<Vec<[F; LANES]>> {
    if values.len() == classes {
        let value = |class: usize| F::new(values.get(class).copied().unwrap_or(after));
        let lanes = |chunk: usize| std::array::from_fn(|lane| value(chunk * LANES + lane));
        return Ok((0..classes.div_ceil(LANES)).map(lanes).collect());
    }
    Err(Error::Shape { what, expected: format!("[{classes}], one per class"), found: format!("[{}]", values.len()) })
}
