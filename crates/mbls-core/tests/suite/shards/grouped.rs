use super::classification::rows_in_batches;
use super::{check, refused};
use mbls_core::Error;
use mbls_core::metric::{
    ClasswiseConvention, ClasswiseEce, GroupedReliability, GroupedRows, Metric, Reliability,
    ReliabilityBins,
};
use proptest::prelude::*;
use serde_json::json;

proptest! {
    /// Each group, and each union of groups, has the value of its rows alone.
    #[test]
    fn groups_are_their_rows((rows, batches) in rows_in_batches(), bins in 1usize..20, groups in 1u32..6) {
        let group = |row: &usize| (*row as u32).wrapping_mul(2_654_435_761) % groups;
        let add = |m: &mut GroupedReliability, b: &[usize]| {
            let (predictions, groups) = (rows.predictions(b), b.iter().map(group).collect::<Vec<_>>());
            m.update(GroupedRows::new(&predictions, &groups).unwrap()).unwrap();
        };
        let mut whole = GroupedReliability::new(groups as usize, bins).unwrap();
        check(whole.clone(), &batches, add);
        add(&mut whole, &(0..batches.0).collect::<Vec<_>>());
        prop_assert_eq!(whole.n(), batches.0 as u64);
        let values = whole.value().unwrap();
        prop_assert_eq!(values.len(), groups as usize);
        for (k, value) in values.iter().enumerate() {
            for union in [false, true] {
                let keep = |g: usize| if union { g >= k } else { g == k };
                let of_group: Vec<usize> = (0..batches.0).filter(|row| keep(group(row) as usize)).collect();
                let mut expected = ReliabilityBins::new(bins).unwrap();
                expected.update(&rows.predictions(&of_group)).unwrap();
                prop_assert_eq!(&whole.of(keep), &expected);
                if !union {
                    prop_assert_eq!(value, &expected.value());
                }
            }
        }
    }

    /// The classwise error is the mean over the classes of the errors of their diagrams.
    #[test]
    fn classwise_diagrams_have_the_classwise_error((rows, _) in rows_in_batches(), bins in 1usize..20) {
        let mut classwise = ClasswiseEce::new(bins, ClasswiseConvention::Definition).unwrap();
        prop_assert_eq!(classwise.diagrams(), vec![]);
        classwise.update(&rows.all()).unwrap();
        let diagrams = classwise.diagrams();
        prop_assert_eq!(diagrams.len(), rows.classes);
        let n = rows.labels.len();
        for (class, diagram) in diagrams.iter().enumerate() {
            prop_assert_eq!(diagram.n, n as u64);
            let share = rows.labels.iter().filter(|&&label| label as usize == class).count() as f64 / n as f64;
            prop_assert!((diagram.accuracy() - share).abs() < 1e-12);
        }
        let mean = diagrams.iter().map(Reliability::ece).sum::<f64>() / rows.classes as f64;
        prop_assert!((mean - classwise.value().unwrap()).abs() < 1e-12);
    }
}

#[test]
fn wrong_groups_are_refused() {
    let probs = [0.75, 0.25, 0.5, 0.5];
    let predictions = mbls_core::metric::Predictions::from_probs(&probs, 2, &[0, 1]).unwrap();
    let message = GroupedRows::new(&predictions, &[0]).unwrap_err().to_string();
    assert_eq!(message, "groups: expected 2 values, one per row, found 1 values");
    let new = |groups, bins| GroupedReliability::new(groups, bins);
    let mut grouped = new(2, 4).unwrap();
    let message =
        grouped.update(GroupedRows::new(&predictions, &[0, 2]).unwrap()).unwrap_err().to_string();
    assert_eq!(message, "group 2 at row 1: expected one below the number of groups");
    assert_eq!(grouped, new(2, 4).unwrap());
    for (groups, bins) in [(0, 4), (1 << 21, 4), (usize::MAX, 2)] {
        let message = new(groups, bins).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("groups = {groups}: expected at least 1, and at most 2^22 / bins")
        );
    }
    assert_eq!(new(1, 0).unwrap_err().to_string(), "bins = 0: expected from 1 to 65536");
    for (other, expected) in [(new(3, 4), "groups is 2 and 3"), (new(2, 5), "bins is 4 and 5")] {
        let message = grouped.merge(other.unwrap()).unwrap_err().to_string();
        assert_eq!(message, format!("cannot merge metrics of different settings: {expected}"));
    }
    let refused = |state| refused::<GroupedReliability>("grouped-reliability", state);
    let cell = json!({"count": 1u64 << 47, "positive": 0, "probability": "0"});
    assert!(refused(json!({"bins": 2, "cells": [cell]})).contains("1 cells for 2 bins per group"));
    assert!(refused(json!({"bins": 1, "cells": []})).contains("groups = 0"));
    assert!(refused(json!({"bins": 1, "cells": [cell, cell]})).contains("at most 2^47"));
    let full = json!({"metric": "grouped-reliability", "version": 1, "state": {"bins": 1, "cells": [cell]}});
    let mut full: GroupedReliability = serde_json::from_value(full).unwrap();
    let added = full.update(GroupedRows::new(&predictions, &[0, 0]).unwrap());
    assert!(matches!(added, Err(Error::Accumulator { .. })));
}
