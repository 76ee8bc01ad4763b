//! The tables of what networks do under shift: means over seeds.

use crate::results::{Cell, CorruptedTest, OutsideTest, Shift};
use crate::suite::Suite;
use mbls_report::FurtherTable;
use mbls_vision::transform::CorruptionKind;

/// One table of the calibration and one of the accuracy under corruption, and one of how pictures from elsewhere are told apart; those that
/// have rows.
pub(crate) fn tables(suite: &Suite, cells: &[&Cell]) -> Vec<FurtherTable> {
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
            "{measure} in percent by severity, 0 the pictures as they are; {} test pictures, mean over seeds.",
            pictures(tested)
        ),
        columns: ["Loss", "Corruption", "0", "1", "2", "3", "4", "5"].map(str::to_owned).to_vec(),
        rows,
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
            let of = |value: fn(&OutsideTest) -> f64| {
                mean(shifts.iter().map(|shift| shift.outside.iter().find(|test| test.data == name).map(value)))
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
    let columns =
        ["Loss", "Told from", "AUROC, confidence", "AUROC, entropy", "FPR at 95 % TPR, confidence", "FPR, entropy"];
    FurtherTable {
        title: "Pictures from elsewhere".to_owned(),
        note: format!(
            "In percent; up to {} pictures on each side, mean over seeds; entropy as the published code computes it.",
            pictures(tested)
        ),
        columns: columns.map(str::to_owned).to_vec(),
        rows,
    }
}

fn pictures(tested: &[(&str, Vec<&Shift>)]) -> usize {
    tested.iter().flat_map(|(_, shifts)| shifts).map(|shift| shift.pictures).max().unwrap_or(0)
}

/// `None` where one is missing, or all are.
fn mean(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.collect::<Option<_>>()?;
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}
