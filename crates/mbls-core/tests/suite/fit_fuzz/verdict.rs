//! The verdict on the result of a fit.

use super::case::Case;
use super::oracle::{Distance, Softmax, logistic};
use super::separation::{by_direction, by_threshold};
use mbls_core::calibration::{
    BetaCalibration, CalibratorSpec, FittedCalibrator, MulticlassReduction, Odir, PlattScaling,
    PlattTargets,
};

/// The result of a case.
pub(crate) enum Verdict {
    /// The fit is within rounding of the optimum.
    Optimal,
    /// The fit failed, and there is no optimum.
    Refused,
    /// The fit failed without reason.
    RefusedWrongly(String),
    /// A result that is not the optimum.
    NotOptimal(Distance),
    /// A result although there is no optimum, further from the infimum than rounding.
    Accepted,
    /// A result although there is no optimum, within rounding of the infimum.
    AtInfimum,
    /// The fit failed for the right reason with the wrong message.
    Unnamed(String),
}

impl Verdict {
    pub(crate) const COLUMNS: [&str; 7] = [
        "optimal",
        "refused rightly",
        "refused wrongly",
        "not optimal",
        "accepted wrongly",
        "cause not named",
        "no optimum, at the infimum",
    ];

    pub(crate) fn column(&self) -> usize {
        match self {
            Self::Optimal => 0,
            Self::Refused => 1,
            Self::RefusedWrongly(_) => 2,
            Self::NotOptimal(_) => 3,
            Self::Accepted => 4,
            Self::Unnamed(_) => 5,
            Self::AtInfimum => 6,
        }
    }

    pub(crate) fn failure(&self) -> Option<String> {
        match self {
            Self::Optimal | Self::Refused | Self::AtInfimum => None,
            Self::RefusedWrongly(error) => Some(format!("refused wrongly: {error}")),
            Self::NotOptimal(distance) => Some(format!("not optimal: {distance:?}")),
            Self::Accepted => Some("accepted, but there is no optimum".into()),
            Self::Unnamed(error) => Some(format!("does not name the cause: {error}")),
        }
    }
}

/// A map of one probability: its scores and outcomes.
struct Map {
    class: Option<usize>,
    probs: Vec<f64>,
    positive: Vec<bool>,
}

fn maps(case: &Case, reduction: MulticlassReduction) -> Vec<Map> {
    let (probs, c) = (case.probs(), case.classes);
    let of_class = |class: usize| Map {
        class: Some(class),
        probs: probs.iter().skip(class).step_by(c).copied().collect(),
        positive: case.labels.iter().map(|&label| label as usize == class).collect(),
    };
    match reduction {
        MulticlassReduction::Binary => vec![of_class(1)],
        MulticlassReduction::OneVsRest => (0..c).map(of_class).collect(),
        MulticlassReduction::TopLabel => {
            let top =
                |row: &[f64]| (1..c).fold(0, |best, k| if row[k] > row[best] { k } else { best });
            let (probs, positive) = probs
                .chunks_exact(c)
                .zip(&case.labels)
                .map(|(row, &label)| (row[top(row)], top(row) == label as usize))
                .unzip();
            vec![Map { class: None, probs, positive }]
        }
        other => panic!("{other:?} has no oracle"),
    }
}

fn clipped(p: f64) -> f64 {
    p.clamp(f64::EPSILON, 1.0 - f64::EPSILON)
}

fn log_odds(p: f64) -> f64 {
    clipped(p).ln() - (1.0 - clipped(p)).ln()
}

fn platt_distance(map: &Map, fitted: &PlattScaling, targets: PlattTargets) -> Distance {
    let positives = map.positive.iter().filter(|p| **p).count() as f64;
    let negatives = map.positive.len() as f64 - positives;
    let (of_positive, of_negative) = match targets {
        PlattTargets::Smoothed => ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0)),
        PlattTargets::Labels => (1.0, 0.0),
        other => panic!("{other:?} has no oracle"),
    };
    let targets: Vec<f64> =
        map.positive.iter().map(|&p| if p { of_positive } else { of_negative }).collect();
    let features = [map.probs.iter().map(|&p| log_odds(p)).collect()];
    logistic(&features, &targets, &[fitted.slope()], fitted.intercept(), false)
}

fn beta_distance(map: &Map, fitted: &BetaCalibration) -> Distance {
    let targets: Vec<f64> = map.positive.iter().map(|&p| f64::from(u8::from(p))).collect();
    let features = [
        map.probs.iter().map(|&p| clipped(p).ln()).collect(),
        map.probs.iter().map(|&p| -(1.0 - clipped(p)).ln()).collect(),
    ];
    logistic(&features, &targets, &[fitted.a(), fitted.b()], fitted.c(), true)
}

/// Why a map has no optimum.
fn no_optimum(map: &Map, rising_only: bool) -> Option<&'static str> {
    if map.positive.iter().all(|p| *p) || !map.positive.contains(&true) {
        return Some("no row");
    }
    let scores: Vec<f64> = map.probs.iter().map(|&p| log_odds(p)).collect();
    by_threshold(&scores, &map.positive, rising_only).then_some("separable")
}

/// The first of several maps that is not optimal.
fn worst(mut distances: impl Iterator<Item = Distance>) -> Verdict {
    match distances.find(|distance| !distance.is_optimal()) {
        Some(distance) => Verdict::NotOptimal(distance),
        None => Verdict::Optimal,
    }
}

fn of_maps(
    maps: &[Map],
    why: impl Fn(&Map) -> Option<&'static str>,
    found: Result<Vec<Distance>, String>,
) -> Verdict {
    let reasons: Vec<(&Map, &str)> = maps.iter().filter_map(|map| Some((map, why(map)?))).collect();
    match (found, reasons.is_empty()) {
        (Ok(_), false) => Verdict::Accepted,
        (Ok(distances), true) => worst(distances.into_iter()),
        (Err(error), true) => Verdict::RefusedWrongly(error),
        (Err(error), false) => {
            let named = |(map, why): &(&Map, &str)| {
                let class = map.class.map_or("confidence".into(), |class| format!("class {class}"));
                error.contains(&class) && error.contains(why)
            };
            if reasons.iter().any(named) { Verdict::Refused } else { Verdict::Unnamed(error) }
        }
    }
}

/// The margins of the label over every other class as functions of a map, without the weights that
/// a penalty keeps finite.
fn margins(case: &Case, features: &[f64], diagonal: bool, odir: Odir) -> Option<Vec<Vec<f64>>> {
    let c = case.classes;
    let weights: Vec<(usize, usize)> = (0..c)
        .flat_map(|k| (0..c).map(move |j| (k, j)))
        .filter(|(k, j)| k == j || (!diagonal && odir.off_diagonal == 0.0))
        .collect();
    let intercepts = if odir.intercept == 0.0 { c } else { 0 };
    if case.labels.len() * (c - 1) * (weights.len() + intercepts) > 1_500_000 {
        return None;
    }
    // Scaled, so that the simplex method has no tiny numbers.
    let size = features.iter().fold(f64::MIN_POSITIVE, |a, b| a.max(b.abs()));
    let mut rows = Vec::new();
    for (row, &label) in case.labels.iter().enumerate() {
        let (x, y) = (&features[row * c..][..c], label as usize);
        for other in (0..c).filter(|&other| other != y) {
            let sign = |k: usize| f64::from(i8::from(k == y) - i8::from(k == other));
            let of_weights = weights.iter().map(|&(k, j)| sign(k) * x[j] / size);
            rows.push(of_weights.chain((0..intercepts).map(sign)).collect());
        }
    }
    Some(rows)
}

pub(crate) fn judge(case: &Case) -> Verdict {
    let found = case.fit.0.fit(&case.scores, &case.labels).map_err(|error| error.to_string());
    match case.fit.0 {
        CalibratorSpec::Platt { reduction, targets } => {
            if reduction == MulticlassReduction::Binary && case.classes != 2 {
                return if found.is_err() { Verdict::Refused } else { Verdict::Accepted };
            }
            let maps = maps(case, reduction);
            let distances = |fitted: FittedCalibrator| match fitted {
                FittedCalibrator::Platt(fitted) => maps
                    .iter()
                    .zip(fitted.maps())
                    .map(|(map, fitted)| platt_distance(map, fitted, targets))
                    .collect(),
                other => panic!("{other:?}"),
            };
            let why = |map: &Map| match targets {
                PlattTargets::Smoothed => None,
                PlattTargets::Labels => no_optimum(map, false),
                other => panic!("{other:?} has no oracle"),
            };
            of_maps(&maps, why, found.map(distances))
        }
        CalibratorSpec::Beta { reduction } => {
            let maps = maps(case, reduction);
            let distances = |fitted: FittedCalibrator| match fitted {
                FittedCalibrator::Beta(fitted) => maps
                    .iter()
                    .zip(fitted.maps())
                    .map(|(map, fitted)| beta_distance(map, fitted))
                    .collect(),
                other => panic!("{other:?}"),
            };
            of_maps(&maps, |map| no_optimum(map, true), found.map(distances))
        }
        CalibratorSpec::Vector => linear(case, &case.values, true, Odir::NONE, found),
        CalibratorSpec::Matrix { odir } => linear(case, &case.values, false, odir, found),
        CalibratorSpec::Dirichlet { odir } => linear(case, &case.log_probs(), false, odir, found),
        other => panic!("{other:?} has no optimum to reach"),
    }
}

fn linear(
    case: &Case,
    features: &[f64],
    diagonal: bool,
    odir: Odir,
    found: Result<FittedCalibrator, String>,
) -> Verdict {
    let c = case.classes;
    let absent: Vec<usize> = (0..c).filter(|k| !case.labels.contains(&(*k as u32))).collect();
    let separable = |most: usize| {
        if !absent.is_empty() && odir.intercept == 0.0 {
            return Some(true);
        }
        by_direction(&margins(case, features, diagonal, odir)?, most)
    };
    match found {
        Err(error) => match separable(800_000) {
            Some(true) if absent.is_empty() && !error.contains("separable") => {
                Verdict::Unnamed(error)
            }
            Some(true)
                if !absent.is_empty() && !error.contains(&format!("class {}", absent[0])) =>
            {
                Verdict::Unnamed(error)
            }
            Some(true) => Verdict::Refused,
            Some(false) => Verdict::RefusedWrongly(error),
            None => Verdict::RefusedWrongly(format!("(unproven) {error}")),
        },
        Ok(fitted) => {
            let (weights, intercepts) = match &fitted {
                FittedCalibrator::Vector(fitted) => (fitted.weights(), fitted.intercepts()),
                FittedCalibrator::Matrix(fitted) => (fitted.weights(), fitted.intercepts()),
                FittedCalibrator::Dirichlet(fitted) => (fitted.weights(), fitted.intercepts()),
                other => panic!("{other:?}"),
            };
            let pairs = (c * (c - 1)) as f64;
            let penalty = (odir.off_diagonal / pairs, odir.intercept / c as f64);
            let softmax = Softmax { classes: c, diagonal, features, labels: &case.labels, penalty };
            let distance = softmax.distance(weights, intercepts);
            if separable(10_000) == Some(true) {
                if distance.is_optimal() { Verdict::AtInfimum } else { Verdict::Accepted }
            } else if distance.is_optimal() {
                Verdict::Optimal
            } else {
                Verdict::NotOptimal(distance)
            }
        }
    }
}
