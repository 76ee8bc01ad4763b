//! Tables of the results under distribution shift, averaged over seeds.

use crate::results::{Cell, CorruptedTest, OutsideTest, Shift};
use crate::spec::Suite;
use crate::statistics::mean_of_all as mean;
use mbls_report::{FurtherTable, NumberColumn};
use mbls_vision::transform::CorruptionKind;

/// Returns the non-empty tables of the calibration and the accuracy under corruption, and of OOD
/// detection.
pub(super) fn tables(suite: &Suite, cells: &[&Cell]) -> Vec<FurtherTable> {
    let tested: Vec<(&str, Vec<&Shift>)> = suite
        .loss
        .iter()
        .map(|loss| {
            let cells = cells.iter().filter(|cell| cell.key.loss == loss.id);
            (loss.title.as_str(), cells.filter_map(|cell| cell.shift.as_ref()).collect())
        })
        .filter(|(_, shifts): &(_, Vec<_>)| !shifts.is_empty())
        .collect();
    let tables = [
        corrupted(&tested, "ECE under corruption", "ECE", |test| test.ece),
        corrupted(&tested, "Accuracy under corruption", "Accuracy", |test| test.accuracy),
        outside(&tested),
    ];
    tables.into_iter().filter(|table| !table.rows.is_empty()).collect()
}

fn corrupted(
    tested: &[(&str, Vec<&Shift>)],
    title: &str,
    measure: &str,
    value: impl Fn(&CorruptedTest) -> f64,
) -> FurtherTable {
    let mut rows = Vec::new();
    for (loss, shifts) in tested {
        for kind in CorruptionKind::ALL {
            let at = |severity: u8| {
                let name = if severity == 0 { "none" } else { kind.name() };
                let is_it = |test: &&CorruptedTest| test.kind == name && test.severity == severity;
                mean(shifts.iter().map(|shift| shift.corrupted.iter().find(is_it).map(&value)))
            };
            let values: Vec<_> = (0..=5).map(at).collect();
            if values[1..].iter().any(Option::is_some) {
                rows.push((vec![(*loss).to_owned(), kind.name().to_owned()], values));
            }
        }
    }
    FurtherTable {
        title: title.to_owned(),
        note: format!(
            "{measure} in percent by severity, where 0 is without corruption; {} test images, averaged over seeds.",
            image_count(tested)
        ),
        names: ["Loss", "Corruption"].map(str::to_owned).to_vec(),
        numbers: ["0", "1", "2", "3", "4", "5"].map(NumberColumn::percent).to_vec(),
        rows,
        page_only: false,
    }
}

fn outside(tested: &[(&str, Vec<&Shift>)]) -> FurtherTable {
    let mut rows = Vec::new();
    for (loss, shifts) in tested {
        let mut names: Vec<&str> = Vec::new();
        for test in shifts.iter().flat_map(|shift| &shift.outside) {
            if !names.contains(&test.data.as_str()) {
                names.push(&test.data);
            }
        }
        for name in names {
            let of =
                |value: fn(&OutsideTest) -> f64| {
                    mean(shifts.iter().map(|shift| {
                        shift.outside.iter().find(|test| test.data == name).map(value)
                    }))
                };
            let values = vec![
                of(|test| test.auroc_confidence),
                of(|test| test.auroc_entropy),
                of(|test| test.fpr95_confidence),
                of(|test| test.fpr95_entropy),
            ];
            rows.push((vec![(*loss).to_owned(), name.to_owned()], values));
        }
    }
    let numbers = [
        "AUROC, confidence",
        "AUROC, entropy",
        "FPR at 95 % TPR, confidence",
        "FPR at 95 % TPR, entropy",
    ];
    FurtherTable {
        title: "Out-of-distribution detection".to_owned(),
        note: format!(
            "In percent; up to {} images of each data set, averaged over seeds; entropy as computed by the published code.",
            image_count(tested)
        ),
        names: ["Loss", "OOD data"].map(str::to_owned).to_vec(),
        numbers: numbers.map(NumberColumn::percent).to_vec(),
        rows,
        page_only: false,
    }
}

fn image_count(tested: &[(&str, Vec<&Shift>)]) -> usize {
    tested.iter().flat_map(|(_, shifts)| shifts).map(|shift| shift.pictures).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::CellKey;
    use mbls_vision::transform::Corruption;
    use std::collections::BTreeMap;

    /// A run in which every number differs.
    fn cell(loss: &str, seed: u64, base: f64) -> Cell {
        let test = |kind: &str, severity: u8, at: f64| CorruptedTest {
            kind: kind.to_owned(),
            severity,
            accuracy: base + at,
            nll: 9.0,
            ece: base + at + 0.001,
            aece: 9.0,
        };
        let all = Corruption::all().enumerate();
        let all = all.map(|(i, c)| test(c.kind.name(), c.severity, 0.01 * (i + 1) as f64));
        let outside = OutsideTest {
            data: "svhn".to_owned(),
            pictures: 10,
            auroc_confidence: base + 0.5,
            auroc_entropy: base + 0.6,
            fpr95_confidence: base + 0.7,
            fpr95_entropy: base + 0.8,
        };
        let corrupted = std::iter::once(test("none", 0, 0.0)).chain(all).collect();
        Cell {
            key: CellKey {
                suite: "cifar10".into(),
                model: "resnet20".parse().unwrap(),
                loss: loss.into(),
                candidate: None,
                seed,
            },
            split: "test".to_owned(),
            n: 10,
            seconds: 1.0,
            epochs: 1,
            stopped: None,
            best_epoch: 0,
            metrics: BTreeMap::new(),
            validation: BTreeMap::new(),
            margin: None,
            shift: Some(Shift { pictures: 10, corrupted, outside: vec![outside] }),
        }
    }

    #[test]
    fn every_number_is_in_its_place() {
        let suite = Suite::find("cifar10").unwrap();
        // Two seeds of a loss, which are averaged; another loss; one that was not tested.
        let untested = Cell { shift: None, ..cell("ls", 0, 0.5) };
        let cells = [cell("ce", 0, 0.0), cell("ce", 1, 0.02), cell("mbls", 0, 0.1), untested];
        let found = tables(&suite, &cells.iter().collect::<Vec<_>>());
        assert_eq!(found.len(), 3);
        let kinds = CorruptionKind::ALL.len();
        for (table, offset) in found[..2].iter().zip([0.001, 0.0]) {
            assert_eq!((table.numbers.len(), table.rows.len()), (6, 2 * kinds), "{}", table.title);
            for (row, (names, values)) in table.rows.iter().enumerate() {
                let (loss, base) =
                    if row < kinds { ("Cross-entropy", 0.01) } else { ("MbLS", 0.1) };
                let kind = row % kinds;
                assert_eq!(names[..], [loss, CorruptionKind::ALL[kind].name()]);
                assert_eq!(values.len(), 6);
                for (severity, value) in values.iter().enumerate() {
                    let at = if severity == 0 { 0.0 } else { 0.01 * (5 * kind + severity) as f64 };
                    let gap = value.unwrap() - (base + at + offset);
                    assert!(
                        gap.abs() < 1e-12,
                        "{}, {names:?}, severity {severity}: {value:?}",
                        table.title
                    );
                }
            }
        }
        assert!(found[0].title.starts_with("ECE") && found[1].title.starts_with("Accuracy"));
        let (names, values) = &found[2].rows[0];
        assert_eq!(
            (&names[..], found[2].rows.len()),
            (&["Cross-entropy".to_owned(), "svhn".to_owned()][..], 2)
        );
        for (value, expected) in values.iter().zip([0.51, 0.61, 0.71, 0.81]) {
            assert!((value.unwrap() - expected).abs() < 1e-12, "{values:?}");
        }
    }

    #[test]
    fn what_was_not_tested_has_no_rows() {
        let suite = Suite::find("cifar10").unwrap();
        let untested = Cell { shift: None, ..cell("ce", 0, 0.0) };
        assert!(tables(&suite, &[&untested]).is_empty());
        // A severity is missing in one seed, so there is no mean over both.
        let mut partly = cell("ce", 1, 0.0);
        let shift = partly.shift.as_mut().unwrap();
        shift.outside.clear();
        shift.corrupted.retain(|test| test.severity != 3);
        let found = tables(&suite, &[&cell("ce", 0, 0.0), &partly]);
        assert!(found[0].rows.iter().all(|(_, values)| values[3].is_none() && values[2].is_some()));
        assert!(found[2].rows[0].1.iter().all(Option::is_none));
    }
}
