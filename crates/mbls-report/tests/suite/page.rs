//! The HTML page.

use crate::fixture::{COLUMNS, best, complete, full, loss, plain, report, suite};
use crate::well_formed::check;
use mbls_core::bootstrap::Interval;
use mbls_core::metric::{Reliability, ReliabilityBin};
use mbls_report::{
    EmbeddedImage, FurtherTable, Gallery, GalleryRow, ImageFormat, LossReport, NumberColumn,
    Report, SuiteReport, Summary, Unit, html,
};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Returns the cells of the row whose heading starts with the title, without tags.
fn row(page: &str, title: &str) -> Vec<String> {
    let start = page.find(&format!("<tr><th scope=\"row\">{title}")).expect("the row");
    let row = &page[start..start + page[start..].find("</tr>").unwrap()];
    row.split("<td").skip(1).map(|cell| text(cell.split_once('>').unwrap().1)).collect()
}

fn text(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for character in html.chars() {
        match character {
            '<' => inside = true,
            '>' => inside = false,
            _ if !inside => text.push(character),
            _ => {}
        }
    }
    text
}

#[test]
fn complete_page() {
    let page = html(&complete());
    check(&page);
    assert_eq!(page, html(&complete()));
    for part in
        ["<dt>Commit</dt><dd>abc</dd>", "Read with care.", "<dd>1,234</dd>", "A suite of a test."]
    {
        assert!(page.contains(part), "{part}");
    }
    // Two suites of six losses, each with two diagrams before and two after scaling.
    assert_eq!(page.matches("role=\"img\"").count(), 48);
    assert_eq!(page.matches("<table>").count(), 2);
    assert_eq!(page.matches("<caption>").count(), 2);
    assert_eq!(page.matches("<th scope=\"col\">").count(), 2 * (9 + 2));
    assert_eq!(page.matches("n 8, ECE 12.50 %, MCE 12.5 %").count(), 24);
}

#[test]
fn refers_to_nothing_outside() {
    let page = html(&complete());
    for reference in ["http", "//", "@import", "<script", "<link", "<img", "src=", "data:"] {
        assert!(!page.contains(reference), "{reference}");
    }
    let urls: Vec<&str> = page.match_indices("url(").map(|(at, _)| &page[at..at + 5]).collect();
    assert!(!urls.is_empty() && urls.iter().all(|url| *url == "url(#"), "{urls:?}");
}

/// Images are embedded in the page, and their captions are escaped.
#[test]
fn images_are_embedded() {
    let mut toy = suite(vec![]);
    let image = |caption: &str, format| EmbeddedImage {
        caption: caption.to_string(),
        format,
        bytes: b"foobar".to_vec(),
    };
    let images = vec![image("image", ImageFormat::Jpeg), image("errors \"<&>\"", ImageFormat::Png)];
    let rows = vec![GalleryRow { title: "a<b".to_string(), images }];
    toy.galleries = vec![Gallery {
        title: "Test images".to_string(),
        note: "White is confident.".to_string(),
        rows,
    }];
    let page = html(&report(vec![toy.clone()]));
    check(&page);
    for part in [
        "<h4>a&lt;b</h4>",
        "<img alt=\"image of a&lt;b\" src=\"data:image/jpeg;base64,Zm9vYmFy\"/><figcaption>image</figcaption>",
        "src=\"data:image/png;base64,Zm9vYmFy\"",
        "White is confident.",
    ] {
        assert!(page.contains(part), "{part} in {page}");
    }
    assert!(mbls_report::markdown(&toy).ends_with("\nAlso in the HTML report: Test images.\n"));
}

#[test]
fn cells() {
    let page = html(&complete());
    assert_eq!(
        row(&page, "LS"),
        [
            "▲ +4.00 hurt",
            "98.76 ± 0.12 [98.00, 99.00]",
            "0.0500 ± 0.0010 [0.0400, 0.0600]",
            "0.0200 ± 0.0010 [0.0100, 0.0300]",
            "6.00 ± 0.10 [5.00, 7.00]",
            "1.00 ± 0.10 [0.80, 2.00]",
            "0.200 ± 0.010 [0.100, 0.300]",
            "30.0 ± 10.0 [20.0, 50.0]",
            "1.10 ± 0.05 [1.00, 1.20]",
            "0.80 ± 0.10 [0.60, 1.00]",
        ]
    );
    assert_eq!(row(&page, "CE")[0], "baseline");
    assert_eq!(row(&page, "MbLS")[0], "▼ \u{2212}1.00 helped");
    assert_eq!(row(&page, "Focal")[0], "▲ +0.20 not distinguishable");
    assert_eq!(row(&page, "ECP")[0], "▲ +1.00 no interval");
    let absent = row(&page, "Margin");
    assert_eq!(absent[0], "– not compared");
    assert!(absent[1..].iter().all(|cell| cell == "–"), "{absent:?}");
    assert!(page.contains(
        "<li class=\"hurt\">Hurt, ECE higher than the baseline&#39;s: LS by 4.00 points.</li>"
    ));
}

#[test]
fn the_best_beyond_noise_is_bold() {
    let metrics = |accuracy, nll, temperature| {
        [
            ("accuracy", plain(accuracy)),
            ("nll", plain(nll)),
            ("temperature", plain(temperature)),
            ("unknown", plain(1.0)),
        ]
    };
    let mut toy = suite(vec![
        loss("A", &metrics(0.5, 0.3, 1.0)),
        loss("B", &metrics(0.900001, 0.2, 2.0)),
        // Equal to B in all printed digits.
        loss("C", &metrics(0.9, f64::NEG_INFINITY, 3.0)),
    ]);
    let undecided = html(&report(vec![toy.clone()]));
    assert!(
        !undecided.contains("<strong>")
            && undecided.contains("No value is bold: in no column is the best loss"),
        "{undecided}"
    );
    // No temperature is better than another.
    toy.best = best(&[("accuracy", "B"), ("nll", "B"), ("temperature", "A")]);
    let page = html(&report(vec![toy]));
    assert!(page.contains("Bold: significantly the best of the column"));
    let bold: Vec<&str> = page
        .match_indices("<strong>")
        .map(|(at, tag)| page[at + tag.len()..].split('<').next().unwrap())
        .collect();
    assert_eq!(bold, ["90.00", "0.2000"]);
    assert_eq!(row(&page, "C")[2], "–");
}

#[test]
fn one_seed_and_one_loss() {
    let mut toy = suite(vec![loss("CE", &[("ece", plain(0.02))])]);
    toy.seeds = 1;
    let page = html(&report(vec![toy]));
    check(&page);
    assert_eq!(row(&page, "CE"), ["baseline", "2.00"]);
    assert!(page.contains("one seed"));
    let table = &page[page.find("<table>").unwrap()..page.find("</table>").unwrap()];
    assert!(
        !table.contains('±') && !table.contains("<strong>") && !table.contains("bootstrap"),
        "{table}"
    );
    assert!(!page.contains("<nav") && !page.contains("class=\"findings\""));
}

#[test]
fn levels_are_named() {
    let mut toy = suite(vec![loss(
        "CE",
        &[("ece", full(0.02, 0.01, 0.01, 0.03)), ("nll", full(0.02, 0.01, 0.01, 0.03))],
    )]);
    assert!(html(&report(vec![toy.clone()])).contains("In brackets: 95 % bootstrap interval."));
    let nll = Summary {
        mean: 0.02,
        std: None,
        interval: Some(Interval { low: 0.0, high: 1.0, level: 0.9 }),
    };
    toy.losses[0].metrics.insert("nll".to_string(), nll);
    assert!(html(&report(vec![toy])).contains("In brackets: 90 % or 95 % bootstrap interval."));
}

#[test]
fn texts_are_escaped() {
    const EVIL: &str = "</style><script>alert('&\"')</script>";
    let mut toy = suite(vec![loss(EVIL, &[]), loss(EVIL, &[])]);
    for field in [&mut toy.name, &mut toy.title, &mut toy.description, &mut toy.model] {
        *field = EVIL.to_string();
    }
    toy.notes = vec![EVIL.to_string()];
    toy.losses[0].settings = EVIL.to_string();
    let mut evil = report(vec![toy.clone(), toy]);
    evil.title = EVIL.to_string();
    evil.provenance = vec![(EVIL.to_string(), EVIL.to_string())];
    let page = html(&evil);
    check(&page);
    assert!(
        !page.contains("<script") && page.contains("&lt;script&gt;alert(&#39;&amp;&quot;&#39;)")
    );
}

#[test]
fn empty_reports() {
    check(&html(&Report { title: String::new(), provenance: vec![], suites: vec![] }));
    check(&html(&report(vec![suite(vec![])])));
    let mut empty = loss("CE", &[]);
    empty.before = Reliability { n: 0, bins: vec![] };
    let page = html(&report(vec![suite(vec![empty])]));
    check(&page);
    assert!(page.contains("n 0, ECE – %, MCE – %") && !page.contains("NaN"));
}

/// Any number, including NaN and infinities.
fn number() -> impl Strategy<Value = f64> {
    prop_oneof![3 => 0.0..1.0, 1 => any::<f64>(), 1 => Just(f64::NAN), 1 => Just(f64::INFINITY)]
}

fn any_summary() -> impl Strategy<Value = Summary> {
    (number(), proptest::option::of(number()), proptest::option::of((number(), number(), number())))
        .prop_map(|(mean, std, interval)| Summary {
            mean,
            std,
            interval: interval.map(|(low, high, level)| Interval { low, high, level }),
        })
}

fn any_reliability() -> impl Strategy<Value = Reliability> {
    let count = prop_oneof![0..100u64, Just(u64::MAX)];
    let bin =
        (number(), number(), count, proptest::option::of(number()), proptest::option::of(number()));
    let bin = bin.prop_map(|(lower, upper, count, mean_confidence, accuracy)| ReliabilityBin {
        lower,
        upper,
        count,
        mean_confidence,
        accuracy,
    });
    (0..200u64, proptest::collection::vec(bin, 0..5)).prop_map(|(n, bins)| Reliability { n, bins })
}

fn any_loss() -> impl Strategy<Value = LossReport> {
    let key = proptest::sample::select(COLUMNS.map(|column| column.key.to_string()).to_vec());
    let metrics = proptest::collection::btree_map(key, any_summary(), 0..9);
    (any::<String>(), any::<String>(), metrics, any_reliability(), any_reliability()).prop_map(
        |(title, settings, metrics, before, after)| LossReport {
            id: String::new(),
            title,
            settings,
            metrics,
            before,
            after,
        },
    )
}

fn any_further() -> impl Strategy<Value = FurtherTable> {
    let values = proptest::collection::vec(proptest::option::of(number()), 2);
    let rows =
        proptest::collection::vec((proptest::collection::vec(any::<String>(), 1), values), 0..3);
    let unit = proptest::sample::select(vec![Unit::Percent, Unit::Count, Unit::Plain]);
    (any::<String>(), any::<String>(), unit, proptest::collection::vec(any::<String>(), 3), rows)
        .prop_map(|(title, note, unit, heads, rows)| {
            let number = |title: &String| NumberColumn { title: title.clone(), unit, digits: 2 };
            let numbers = heads[1..].iter().map(number).collect();
            FurtherTable {
                title,
                note,
                names: heads[..1].to_vec(),
                numbers,
                rows,
                page_only: false,
            }
        })
}

fn any_suite() -> impl Strategy<Value = SuiteReport> {
    let texts = (
        any::<String>(),
        any::<String>(),
        any::<String>(),
        proptest::collection::vec(any::<String>(), 0..3),
    );
    let losses = proptest::collection::vec(any_loss(), 0..4);
    (texts, any::<u64>(), any::<usize>(), losses, proptest::collection::vec(any_further(), 0..3))
        .prop_map(|((title, description, model, notes), n_test, seeds, losses, further)| {
            SuiteReport {
                columns: COLUMNS.to_vec(),
                name: String::new(),
                title,
                description,
                notes,
                model,
                n_test,
                seeds,
                best: BTreeMap::new(),
                losses,
                further,
                galleries: vec![],
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// For any texts and numbers, the page is well-formed, the table's rows are complete, and
    /// neither contains NaN or an infinity.
    #[test]
    fn anything_renders(title in any::<String>(), suites in proptest::collection::vec(any_suite(), 0..3)) {
        let mut report = Report { title, provenance: vec![], suites };
        check(&html(&report));
        report.title.clear();
        for suite in &mut report.suites {
            for text in [&mut suite.title, &mut suite.description, &mut suite.model] {
                text.clear();
            }
            suite.notes.clear();
            for loss in &mut suite.losses {
                loss.title.clear();
                loss.settings.clear();
            }
            let has = |key: &str| suite.losses.iter().any(|loss| loss.metrics.contains_key(key));
            let columns = COLUMNS.iter().filter(|column| column.compact && has(column.key)).count();
            let table = mbls_report::markdown(suite);
            let rows = table.lines().take(2 + suite.losses.len());
            prop_assert!(rows.clone().all(|row| row.matches('|').count() == columns + 2), "{table}");
            prop_assert!(!table.contains("NaN") && !table.contains("inf"), "{table}");
        }
        let page = html(&report);
        prop_assert!(!page.contains("NaN") && !page.contains("\"inf") && !page.contains(">inf"), "{page}");
    }
}
