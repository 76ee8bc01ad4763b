//! Checks whether the margin of a run was ever exceeded.

use mbls_core::loss::LossSpec;
use mbls_train::event::{EpochReport, Event};
use serde::{Deserialize, Serialize};

/// The margin that a run of MbLS was trained with, and whether a distance between logits ever
/// exceeded it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MarginUse {
    /// The margin; absent if its rule has not chosen one by the end of training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) margin: Option<f64>,
    /// Whether a distance in a training batch exceeded the margin up to the best epoch. If not, the
    /// loss was equivalent to cross-entropy.
    pub(crate) exceeded: bool,
    /// Whether the margin was exceeded only after the best epoch: the evaluated network was then
    /// effectively trained with cross-entropy.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) exceeded_later: bool,
    /// The largest distance on the validation data over all epochs; absent if none was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) largest_distance: Option<f64>,
}

/// The key of the MbLS penalty among an epoch's means in the event log. The penalty is exactly 0 if
/// no distance exceeded the margin.
const PENALTY: &str = "loss_logit-margin";
/// The key of the largest distance among the validation metrics of an epoch.
const LARGEST: &str = "distance_largest";

fn is_false(value: &bool) -> bool {
    !value
}

impl MarginUse {
    /// Reads the use of the margin from the event log of a run, up to and after the best epoch;
    /// `None` for a loss other than MbLS.
    pub(crate) fn of(
        spec: &LossSpec,
        margin: Option<f64>,
        events: &[Event],
        kept: usize,
    ) -> Option<Self> {
        let LossSpec::Margin { .. } = spec else { return None };
        let epochs = || {
            events.iter().filter_map(|event| match event {
                Event::Epoch(report) => Some(report),
                _ => None,
            })
        };
        let beyond = |epoch: &&EpochReport| {
            epoch
                .train
                .get(PENALTY)
                .is_some_and(|penalty| penalty.is_none_or(|penalty| penalty != 0.0))
        };
        let first = epochs().find(beyond).map(|epoch| epoch.epoch);
        Some(Self {
            margin,
            exceeded: first.is_some_and(|first| first <= kept),
            exceeded_later: first.is_some_and(|first| first > kept),
            largest_distance: epochs()
                .filter_map(|epoch| epoch.validation.get(LARGEST).copied().flatten())
                .reduce(f64::max),
        })
    }

    /// Returns a warning that the margin was never exceeded; `None` if it was.
    pub(crate) fn warning(&self) -> Option<String> {
        if self.exceeded {
            return None;
        }
        let Some(margin) = self.margin else {
            return Some(
                "no margin was chosen, because its rule needs more epochs: this run is equivalent to cross-entropy".to_owned(),
            );
        };
        if self.exceeded_later {
            let margin = shortened(margin);
            return Some(format!(
                "margin {margin} was not exceeded in training up to the best epoch, whose network is kept: this network is equivalent to \
                 one trained with cross-entropy"
            ));
        }
        let largest = self
            .largest_distance
            .map(|largest| format!(" (largest distance on validation data {largest:.1})"));
        let (margin, largest) = (shortened(margin), largest.unwrap_or_default());
        Some(format!(
            "margin {margin} was never exceeded in training{largest}: this run is equivalent to cross-entropy"
        ))
    }
}

/// Formats a margin: unchanged if it is short, else with two digits (margins computed by a rule).
pub(crate) fn shortened(margin: f64) -> String {
    let whole = margin.to_string();
    if whole.len() > 6 { format!("{margin:.2}") } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn epoch(epoch: usize, penalty: Option<f64>, largest: Option<f64>) -> Event {
        let named = |name: &str, value: Option<f64>| BTreeMap::from([(name.to_owned(), value)]);
        Event::Epoch(EpochReport {
            epoch,
            learning_rate: 0.1,
            train: penalty.map_or_else(BTreeMap::new, |penalty| named(PENALTY, Some(penalty))),
            gradient_norm: 1.0,
            steps_without_loss: 0,
            validation: named(LARGEST, largest),
            score: None,
            best: true,
            seconds: 1.0,
            train_seconds: 1.0,
        })
    }

    #[test]
    fn a_margin_that_is_never_exceeded_gives_a_warning() {
        let events = [
            epoch(0, Some(0.0), Some(4.0)),
            epoch(1, Some(0.0), Some(6.34)),
            epoch(2, Some(0.0), None),
        ];
        let spec = LossSpec::margin(10.0, 0.1);
        let found = MarginUse::of(&spec, Some(10.0), &events, 2).unwrap();
        let expected = "margin 10 was never exceeded in training (largest distance on validation data 6.3): this run is equivalent to cross-entropy";
        assert_eq!(found.warning().as_deref(), Some(expected));
        // Exceeding it once is enough, by however little.
        let reached = [events[0].clone(), epoch(1, Some(1e-30), None)];
        assert_eq!(MarginUse::of(&spec, Some(10.0), &reached, 1).unwrap().warning(), None);
        // Only epochs up to the best one count.
        let later = MarginUse::of(&spec, Some(10.0), &reached, 0).unwrap();
        assert!(!later.exceeded && later.exceeded_later);
        assert!(
            later.warning().unwrap().contains("up to the best epoch, whose network is kept"),
            "{later:?}"
        );
        assert!(MarginUse::of(&LossSpec::CrossEntropy, None, &events, 2).is_none());
        // The epochs before a rule chooses a margin have no penalty.
        let before = MarginUse::of(&spec, None, &[epoch(0, None, Some(3.0))], 0).unwrap();
        assert!(before.warning().unwrap().starts_with("no margin was chosen"));
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<MarginUse>(&text).unwrap(), before);
    }
}
