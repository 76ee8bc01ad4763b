//! The Markdown table.

use crate::fixture::{best, full, loss, plain, report, suite};
use mbls_report::{FurtherTable, NumberColumn, html, markdown};

#[test]
fn golden() {
    let mut toy = suite(vec![
        loss(
            "CE",
            &[
                ("accuracy", full(0.9876, 0.0012, 0.98, 0.99)),
                ("nll", full(0.0512, 0.001, 0.04, 0.06)),
                ("brier", full(0.02, 0.001, 0.01, 0.03)),
                ("ece", full(0.02, 0.001, 0.015, 0.025)),
                ("aece", full(0.0199, 0.001, 0.01, 0.03)),
                ("cece", full(0.00456, 0.0001, 0.004, 0.005)),
                ("mce", full(0.3333, 0.1, 0.2, 0.5)),
                ("temperature", full(1.096, 0.05, 1.0, 1.2)),
                ("ece_scaled", full(0.0081, 0.001, 0.006, 0.01)),
                ("seconds", plain(12.0)),
            ],
        ),
        loss(
            "LS | a_b",
            &[
                ("accuracy", plain(0.98764)),
                ("nll", plain(f64::NAN)),
                ("ece", full(0.06, 0.002, 0.05, 0.07)),
            ],
        ),
    ]);
    toy.best = best(&[("ece", "CE")]);
    let expected = "\
| Loss | Accuracy % | NLL | ECE % ± std [interval] | AECE % | CECE % | MCE % | T | ECE after scaling % |
|---|---:|---:|---:|---:|---:|---:|---:|---:|
| CE | 98.76 | 0.0512 | **2.00** ± 0.10 [1.50, 2.50] | 1.99 | 0.456 | 33.3 | 1.10 | 0.81 |
| LS \\| a\\_b | 98.76 | – | 6.00 ± 0.20 [5.00, 7.00] | – | – | – | – | – |

tiny, 1,234 test samples (mean ± standard deviation over 3 seeds). Columns with % are in percent; T is the temperature of \
temperature scaling. In brackets: 95 % bootstrap interval. Bold: significantly the best of the column: \
the paired bootstrap interval of its difference from the second best, on the same test samples, excludes 0.

- Baseline: CE, ECE 2.00 %.
- Hurt, ECE higher than the baseline's: LS \\| a\\_b by 4.00 points.
- No loss helped calibration beyond the intervals.
";
    assert_eq!(markdown(&toy), expected);
}

#[test]
fn one_seed_has_no_deviation() {
    let mut toy = suite(vec![loss("CE", &[("ece", plain(0.02))])]);
    toy.seeds = 1;
    let text = markdown(&toy);
    assert!(
        text.contains("| ECE % |") && text.contains("| 2.00 |") && text.contains("(one seed)"),
        "{text}"
    );
    assert!(!text.contains('±') && !text.contains("**") && !text.contains("bracket"), "{text}");
}

#[test]
fn a_title_cannot_break_the_table() {
    let text = markdown(&suite(vec![loss("a\nb|c`d\r\n<script>", &[("nll", plain(f64::NAN))])]));
    let row = text.lines().nth(2).unwrap();
    assert!(row.starts_with("| a b\\|c\\`d  &lt;script&gt; | – |"), "{row}");
}

/// Columns for which no loss of the suite has a value are omitted: segmentation has mIoU and no
/// Brier score, classification the reverse.
#[test]
fn columns_that_no_loss_has_are_left_out() {
    let segmentation = suite(vec![
        loss("CE", &[("miou", plain(0.5)), ("miou_published", plain(0.4)), ("ece", plain(0.02))]),
        loss("LS", &[("ece", plain(0.03)), ("ece_per_batch", plain(0.04))]),
    ]);
    let text = markdown(&segmentation);
    let head = "| Loss | mIoU % | ECE % | ECE per batch % |\n|---|---:|---:|---:|\n| CE | 50.00 | 2.00 | – |\n";
    assert!(text.starts_with(head), "{text}");
    let page = html(&report(vec![segmentation]));
    for (column, there) in
        [("mIoU", true), ("mIoU without class 0", true), ("ECE per batch", true), ("Brier", false)]
    {
        assert_eq!(page.contains(&format!("<th scope=\"col\">{column} <")), there, "{column}");
        assert_eq!(page.contains(&format!("<dt>{column}</dt>")), there, "{column}");
    }
}

#[test]
fn no_losses() {
    let text = markdown(&suite(vec![]));
    assert_eq!(text.lines().count(), 4, "{text}");
}

/// An additional table: labels unchanged, fractions in percent, missing values as dashes.
#[test]
fn further_tables_follow() {
    let mut suite = suite(vec![]);
    suite.further = vec![FurtherTable {
        title: "Under | shift".to_string(),
        note: "ECE in percent.".to_string(),
        names: ["Loss", "Kind"].map(str::to_string).to_vec(),
        numbers: vec![NumberColumn::percent("0"), NumberColumn::plain("1", 1)],
        rows: vec![(vec!["MbLS".to_string(), "blur".to_string()], vec![Some(0.01234), None])],
        page_only: false,
    }];
    let text = markdown(&suite);
    let table = "**Under \\| shift**\n\n| Loss | Kind | 0 | 1 |\n|---|---|---:|---:|\n| MbLS | blur | 1.23 | – |\n\nECE in percent.\n";
    assert!(text.ends_with(table), "{text}");
    suite.further[0].numbers[0] = NumberColumn::count("0");
    suite.further[0].rows[0].1 = vec![Some(1_234_567.0), Some(0.25)];
    assert!(markdown(&suite).contains("| MbLS | blur | 1,234,567 | 0.2 |"), "{}", markdown(&suite));
    // Tables that are only on the HTML page are mentioned by title.
    suite.further[0].page_only = true;
    let text = markdown(&suite);
    assert!(
        text.ends_with("\nAlso in the HTML report: Under \\| shift.\n") && !text.contains("blur"),
        "{text}"
    );
    assert!(html(&report(vec![suite])).contains("<td>1,234,567</td>"));
}
