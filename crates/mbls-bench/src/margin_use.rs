//! Whether the margin of a run was ever reached.

use mbls_core::loss::LossSpec;
use mbls_train::event::Event;
use serde::{Deserialize, Serialize};

/// The margin that a run of MbLS was trained with, and whether a distance between logits was ever greater.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MarginUse {
    /// The margin; absent where its rule has not chosen one by the end of the training.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) margin: Option<f64>,
    /// Whether a training batch had a greater distance, so that the loss was not cross-entropy throughout.
    pub(crate) exceeded: bool,
    /// The largest distance on the validation data of any epoch; absent where none was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) largest_distance: Option<f64>,
}

/// The penalty of MbLS among the means of an epoch in the event log. It is exactly 0 where no distance was beyond the margin.
const PENALTY: &str = "loss_logit-margin";
/// The largest distance among the validation metrics of an epoch.
const LARGEST: &str = "distance_largest";

impl MarginUse {
    /// Reads what the event log of a run says of its margin; `None` of a loss other than MbLS.
    pub(crate) fn of(spec: &LossSpec, margin: Option<f64>, events: &[Event]) -> Option<Self> {
        let LossSpec::Margin { .. } = spec else { return None };
        let epochs = || {
            events.iter().filter_map(|event| match event {
                Event::Epoch(report) => Some(report),
                _ => None,
            })
        };
        let beyond = |penalty: &Option<f64>| penalty.is_none_or(|penalty| penalty != 0.0);
        Some(Self {
            margin,
            exceeded: epochs().filter_map(|epoch| epoch.train.get(PENALTY)).any(beyond),
            largest_distance: epochs()
                .filter_map(|epoch| epoch.validation.get(LARGEST).copied().flatten())
                .reduce(f64::max),
        })
    }

    /// Says that the margin was never reached; `None` where it was.
    pub(crate) fn warning(&self) -> Option<String> {
        if self.exceeded {
            return None;
        }
        let Some(margin) = self.margin else {
            return Some(
                "no margin was chosen, because its rule takes more epochs: this run is cross-entropy".to_owned(),
            );
        };
        let largest =
            self.largest_distance.map(|largest| format!(" (largest distance on validation data {largest:.1})"));
        let (margin, largest) = (shortened(margin), largest.unwrap_or_default());
        Some(format!("margin {margin} was never exceeded in training{largest}: this run is cross-entropy"))
    }
}

/// A margin as it was written, or with two digits where a rule computed it.
pub(crate) fn shortened(margin: f64) -> String {
    let whole = margin.to_string();
    if whole.len() > 6 { format!("{margin:.2}") } else { whole }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mbls_train::event::EpochReport;
    use std::collections::BTreeMap;

    fn epoch(penalty: Option<f64>, largest: Option<f64>) -> Event {
        let named = |name: &str, value: Option<f64>| BTreeMap::from([(name.to_owned(), value)]);
        Event::Epoch(EpochReport {
            epoch: 0,
            learning_rate: 0.1,
            train: penalty.map_or_else(BTreeMap::new, |penalty| named(PENALTY, Some(penalty))),
            gradient_norm: 1.0,
            steps_without_loss: 0,
            validation: named(LARGEST, largest),
            best: true,
            seconds: 1.0,
            train_seconds: 1.0,
        })
    }

    #[test]
    fn a_margin_that_is_never_reached_is_said() {
        let events = [epoch(Some(0.0), Some(4.0)), epoch(Some(0.0), Some(6.34)), epoch(Some(0.0), None)];
        let spec = LossSpec::margin(10.0, 0.1);
        let found = MarginUse::of(&spec, Some(10.0), &events).unwrap();
        let expected = "margin 10 was never exceeded in training (largest distance on validation data 6.3): this run is cross-entropy";
        assert_eq!(found.warning().as_deref(), Some(expected));
        // Once is enough, however little.
        let reached = [events[0].clone(), epoch(Some(1e-30), None)];
        assert_eq!(MarginUse::of(&spec, Some(10.0), &reached).unwrap().warning(), None);
        assert!(MarginUse::of(&LossSpec::CrossEntropy, None, &events).is_none());
        // The epochs before a rule chooses have no penalty.
        let before = MarginUse::of(&spec, None, &[epoch(None, Some(3.0))]).unwrap();
        assert!(before.warning().unwrap().starts_with("no margin was chosen"));
        let text = serde_json::to_string(&before).unwrap();
        assert_eq!(serde_json::from_str::<MarginUse>(&text).unwrap(), before);
    }
}
