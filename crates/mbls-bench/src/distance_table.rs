//! The table of logit distances, which shows how the losses' margins act.

use crate::results::Cell;
use crate::spec::Suite;
use crate::statistics::mean_of_all as mean;
use mbls_report::{FurtherTable, NumberColumn};

/// Returns one row for each loss whose runs measured distances, with means over seeds; `None`
/// without such losses.
pub(crate) fn distance_table(suite: &Suite, cells: &[&Cell]) -> Option<FurtherTable> {
    let mut rows = Vec::new();
    for loss in &suite.loss {
        let runs: Vec<&&Cell> = cells.iter().filter(|cell| cell.key.loss == loss.id).collect();
        let of = |key: &str| mean(runs.iter().map(|cell| cell.metrics.get(key).copied()));
        let margin = mean(runs.iter().map(|cell| cell.margin.as_ref()?.margin));
        let measured = [
            "distance_beyond_margin",
            "distance_median",
            "distance_p90",
            "distance_p99",
            "distance_largest",
        ]
        .map(of);
        if measured.iter().any(Option::is_some) {
            rows.push((
                vec![loss.title.clone(), loss.settings()],
                [vec![margin], measured.to_vec()].concat(),
            ));
        }
    }
    (!rows.is_empty()).then(|| FurtherTable {
        title: "Distances between logits".to_owned(),
        note:
            "Distances of the other logits from the top logit on the test data; means over seeds. A margin penalises only the \
               distances that exceed it: if none do, MbLS is equivalent to cross-entropy."
                .to_owned(),
        names: ["Loss", "Settings"].map(str::to_owned).to_vec(),
        numbers: vec![
            NumberColumn::plain("Margin", 2),
            NumberColumn::percent("Beyond the margin, %"),
            NumberColumn::plain("Median", 2),
            NumberColumn::plain("90 % up to", 2),
            NumberColumn::plain("99 % up to", 2),
            NumberColumn::plain("Largest", 2),
        ],
        rows,
        page_only: false,
    })
}
