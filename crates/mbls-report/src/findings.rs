use crate::column::ECE;
use crate::format::{self, ABSENT};
use crate::report::{LossReport, SuiteReport, Summary};

/// The comparison of a loss's expected calibration error with the baseline's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The ECE is higher and the intervals do not overlap. Holds the difference.
    Hurt(f64),
    /// The ECE is lower and the intervals do not overlap. Holds the difference.
    Helped(f64),
    /// The intervals overlap. Holds the difference.
    NotDistinguishable(f64),
    /// At least one of the two has no interval. Holds the difference.
    NotJudged(f64),
    /// At least one of the two has no ECE.
    NotCompared,
}

impl Verdict {
    /// Returns whether both losses had an interval.
    fn is_judged(self) -> bool {
        matches!(self, Self::Hurt(_) | Self::Helped(_) | Self::NotDistinguishable(_))
    }
}

/// Compares the ECE of a loss with that of the baseline.
pub(crate) fn verdict(baseline: &LossReport, loss: &LossReport) -> Verdict {
    let (Some(baseline), Some(ece)) = (finite_ece(baseline), finite_ece(loss)) else {
        return Verdict::NotCompared;
    };
    let difference = ece.mean - baseline.mean;
    let (Some((baseline_low, baseline_high)), Some((low, high))) = (bounds(baseline), bounds(ece))
    else {
        return Verdict::NotJudged(difference);
    };
    // The means must agree with the intervals, because a bootstrap interval of the ECE need not
    // contain its mean.
    if difference > 0.0 && low > baseline_high {
        Verdict::Hurt(difference)
    } else if difference < 0.0 && high < baseline_low {
        Verdict::Helped(difference)
    } else {
        Verdict::NotDistinguishable(difference)
    }
}

fn finite_ece(loss: &LossReport) -> Option<&Summary> {
    loss.metrics.get(ECE).filter(|ece| ece.mean.is_finite())
}

/// Formats a difference of the ECE in percentage points.
fn points(difference: f64) -> String {
    format::percent(difference, 2)
}

/// Formats a difference of the ECE in percentage points, with its sign.
pub(crate) fn signed_points(difference: f64) -> String {
    format::signed(difference * 100.0, 2)
}

/// Returns the bounds of the interval if both are finite and in order.
fn bounds(ece: &Summary) -> Option<(f64, f64)> {
    let interval = ece.interval?;
    (interval.low.is_finite() && interval.high.is_finite() && interval.low <= interval.high)
        .then_some((interval.low, interval.high))
}

/// Returns the table's verdicts on calibration as sentences: which losses hurt it and which helped,
/// compared with the first loss, and which differences are not significant.
///
/// A difference is significant if the two intervals of the ECE do not overlap. Returns no sentences
/// for fewer than two losses.
pub fn findings(suite: &SuiteReport) -> Vec<String> {
    sentences(suite).into_iter().map(|(_, sentence)| sentence).collect()
}

/// The subject of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Losses that hurt.
    Hurt,
    /// Losses that helped.
    Helped,
    /// Everything else.
    Neutral,
}

/// Returns the [`findings`] with the tone of each.
pub(crate) fn sentences(suite: &SuiteReport) -> Vec<(Tone, String)> {
    let Some((baseline, others)) =
        suite.losses.split_first().filter(|(_, others)| !others.is_empty())
    else {
        return Vec::new();
    };
    let verdicts: Vec<(&LossReport, Verdict)> =
        others.iter().map(|loss| (loss, verdict(baseline, loss))).collect();
    let list = |pick: &dyn Fn(Verdict) -> Option<String>| -> Option<String> {
        let losses: Vec<String> = verdicts
            .iter()
            .filter_map(|(loss, verdict)| Some(format!("{}{}", loss.title, pick(*verdict)?)))
            .collect();
        (!losses.is_empty()).then(|| losses.join("; "))
    };
    let signed = |difference| format!(" ({} points)", signed_points(difference));

    let hurt = list(&|verdict| match verdict {
        Verdict::Hurt(difference) => Some(format!(" by {} points", points(difference))),
        _ => None,
    });
    let helped = list(&|verdict| match verdict {
        Verdict::Helped(difference) => Some(format!(" by {} points", points(-difference))),
        _ => None,
    });
    let unclear = list(&|verdict| match verdict {
        Verdict::NotDistinguishable(difference) => Some(signed(difference)),
        _ => None,
    });
    let not_judged = list(&|verdict| match verdict {
        Verdict::NotJudged(difference) => Some(signed(difference)),
        _ => None,
    });
    let not_compared = list(&|verdict| (verdict == Verdict::NotCompared).then(String::new));

    let ece = finite_ece(baseline)
        .map_or_else(|| ABSENT.to_string(), |ece| format!("{} %", points(ece.mean)));
    let mut sentences = vec![(Tone::Neutral, format!("Baseline: {}, ECE {ece}.", baseline.title))];
    if verdicts.iter().any(|(_, verdict)| verdict.is_judged()) {
        sentences.push(match hurt {
            Some(losses) => {
                (Tone::Hurt, format!("Hurt, ECE higher than the baseline's: {losses}."))
            }
            None => (Tone::Neutral, "No loss hurt calibration beyond the intervals.".to_string()),
        });
        sentences.push(match helped {
            Some(losses) => {
                (Tone::Helped, format!("Helped, ECE lower than the baseline's: {losses}."))
            }
            None => (Tone::Neutral, "No loss helped calibration beyond the intervals.".to_string()),
        });
    }
    let rest = [
        ("Not distinguishable from the baseline, the intervals overlap", unclear),
        ("Not judged, an interval is missing", not_judged),
        ("Not compared, an ECE is missing", not_compared),
    ];
    for (head, losses) in rest {
        sentences.extend(losses.map(|losses| (Tone::Neutral, format!("{head}: {losses}."))));
    }
    sentences
}
