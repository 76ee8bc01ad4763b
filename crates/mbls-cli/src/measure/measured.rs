use super::key::{KEYS, Key, Settings, Values};
use super::state::State;
use mbls_core::bootstrap::Interval;
use mbls_core::metric::Consistency;

/// The metrics of a file.
pub(crate) struct Measured {
    /// The file, or the files of merged states.
    pub(crate) file: String,
    /// What the scores are.
    pub(crate) scores: String,
    /// Number of rows that are not ignored.
    pub(crate) samples: u64,
    pub(crate) ignored: u64,
    /// `None` if only confidences were saved.
    pub(crate) classes: Option<usize>,
    pub(crate) settings: Settings,
    pub(crate) values: Values,
    pub(crate) intervals: [Option<Interval>; KEYS.len()],
    /// What a calibrated model with the same confidences would show.
    pub(crate) calibrated: Vec<(Key, Consistency)>,
    pub(crate) groups: Option<Grouped>,
    pub(crate) state: State,
}

/// The groups of a file.
pub(crate) struct Grouped {
    pub(crate) by: String,
    pub(crate) groups: Vec<Group>,
}

pub(crate) struct Group {
    pub(crate) name: String,
    pub(crate) samples: u64,
    pub(crate) values: Values,
    /// The ECE of a calibrated model with the same confidences.
    pub(crate) calibrated: Option<Consistency>,
}

impl Grouped {
    /// Returns the group with the largest ECE.
    pub(crate) fn worst(&self) -> Option<&Group> {
        let ece = |group: &&Group| group.values[Key::Ece as usize].unwrap_or(-1.0);
        // Of equal ones the first.
        self.groups.iter().rev().max_by(|a, b| ece(a).total_cmp(&ece(b)))
    }
}

impl Measured {
    pub(crate) fn value(&self, key: Key) -> Option<f64> {
        self.values[key as usize]
    }

    pub(crate) fn interval(&self, key: Key) -> Option<&Interval> {
        self.intervals[key as usize].as_ref()
    }

    pub(crate) fn calibrated(&self, key: Key) -> Option<&Consistency> {
        self.calibrated.iter().find(|(other, _)| *other == key).map(|(_, range)| range)
    }
}
