//! The script of the page in a browser.

use crate::evaluation::page;
use mbls_core::metric::Binning;
use mbls_report::{EvaluationPage, evaluation_html};
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;

/// Notes errors before anything else runs.
const WATCH: &str = "<script>window.onerror = text => { document.documentElement.dataset.fault = text; };\
console.error = window.onerror;</script>";

/// Returns the document after the page's script and `script` have run; `None` without Chromium.
fn dump(page: &EvaluationPage, script: &str, name: &str) -> Option<String> {
    let folder: PathBuf =
        std::env::temp_dir().join(format!("mbls-report-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let html = evaluation_html(page)
        .replacen("<body>", &format!("<body>{WATCH}"), 1)
        .replace("</body>", &format!("<script>{script}</script></body>"));
    let file = folder.join("page.html");
    std::fs::write(&file, html).unwrap();
    let output = ["chromium", "chromium-browser", "google-chrome"].iter().find_map(|program| {
        Command::new(program)
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--enable-logging=stderr",
                "--dump-dom",
            ])
            .arg(format!("--user-data-dir={}", folder.join("profile").display()))
            .arg(format!("file://{}", file.display()))
            .output()
            .ok()
    });
    std::fs::remove_dir_all(&folder).ok();
    let Some(output) = output else {
        // Past the capture of a test that passes.
        writeln!(std::io::stderr(), "skipped, no Chromium: {name}").ok();
        return None;
    };
    let (dom, log) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(!log.contains("CONSOLE") && !dom.contains("data-fault"), "{name}: {log}\n{dom}");
    Some(dom)
}

/// Returns what the script redraws, of each model.
fn drawn(dom: &str) -> Vec<&str> {
    let between = |start: &str, end: &str| -> Vec<&str> {
        let parts = dom.match_indices(start).map(|(at, _)| &dom[at..]);
        parts.map(|part| &part[..part.find(end).expect(end)]).collect()
    };
    let mut parts = between("<figure class=\"reliability\"", "</figure>");
    parts.extend(between("<tbody class=\"bin-rows\"", "</tbody>"));
    parts
}

/// The script draws other bins as Rust draws them: exactly for few rows, and for bins of equal width
/// for many.
#[test]
fn a_changed_bin_count_redraws() {
    let change = |bins: usize, binning: &str| {
        format!(
            "document.getElementById('bins').value = {bins}; document.getElementById('binning').value = '{binning}';\
             document.getElementById('bins').dispatchEvent(new Event('input', {{ bubbles: true }}));"
        )
    };
    let start = page(Binning::EqualWidth, 15);
    let Some(still) = dump(&start, "", "still") else { return };
    for (bins, name, binning) in [
        (10, "equal-width", Binning::EqualWidth),
        (37, "equal-width", Binning::EqualWidth),
        (12, "equal-mass", Binning::EqualMass),
    ] {
        let found = dump(&start, &change(bins, name), name).unwrap();
        let expected = dump(&page(binning, bins), "", name).unwrap();
        let (found, expected) = (drawn(&found), drawn(&expected));
        assert_eq!(found.len(), 4);
        for place in 0..4 {
            // The second model has too many rows for exact bins of equal mass.
            if binning == Binning::EqualWidth || place % 2 == 0 {
                assert_eq!(found[place], expected[place], "{bins} {name}");
            }
        }
        assert!(found != drawn(&still));
    }
    let back = change(10, "equal-mass") + "document.getElementById('reset').click();";
    let back = dump(&start, &back, "back").unwrap();
    assert_eq!(drawn(&back), drawn(&still));
    let sorted = "document.querySelectorAll('#overview ~ .scroll thead button')[3].click();\
                  document.querySelectorAll('#overview ~ .scroll thead button')[3].click();";
    let sorted = dump(&start, sorted, "sorted").unwrap();
    let first =
        |dom: &str| dom.find(">resnet.npz</a>").unwrap() < dom.find(">vit.npz</a>").unwrap();
    let order = start.models[0].metrics[1].value > start.models[1].metrics[1].value;
    assert!(
        first(&still) && first(&sorted) == order && sorted.contains("aria-sort=\"descending\"")
    );
}

#[test]
fn the_pointer_shows_the_numbers_of_a_bin() {
    let page = page(Binning::EqualWidth, 15);
    let script = "const bars = document.querySelectorAll('.reliability > svg')[0].querySelectorAll('.bar');\
                  const box = bars[bars.length - 1].getBoundingClientRect();\
                  bars[0].dispatchEvent(new PointerEvent('pointermove', { bubbles: true, clientX: box.x + box.width / 2, clientY: box.y }));";
    let Some(dom) = dump(&page, script, "pointer") else { return };
    let tip = &dom[dom.find("<div id=\"tip\"").expect("the numbers")..];
    let (attributes, text) = tip.split_once('>').unwrap();
    let count = page.models[0].curve.reliability.bins[14].count;
    let start = format!("Confidence 93.3 to 100.0 %: {count} samples, accuracy ");
    assert!(!attributes.contains("hidden") && text.starts_with(&start), "{}", &tip[..200]);
    // A fault of a script would be noticed.
    assert!(std::panic::catch_unwind(|| dump(&page, "throw new Error('x');", "faulty")).is_err());
}

/// With `MBLS_WRITE_DIAGRAMS` the page is written to that folder, to look at.
#[test]
fn page_to_look_at() {
    let Ok(folder) = std::env::var("MBLS_WRITE_DIAGRAMS") else { return };
    let mut page = page(Binning::EqualWidth, 15);
    for (model, skill) in page.models.iter_mut().zip([0.5, 0.9]) {
        let title = model.curve.title.clone();
        let n = model.curve.reliability.n as usize;
        model.curve = crate::evaluation::curve(&title, n, skill, 15);
        model.classes = (0..4)
            .map(|i| crate::evaluation::curve(&format!("class {i}"), 300, skill, 10))
            .collect();
    }
    std::fs::write(format!("{folder}/page.html"), evaluation_html(&page)).unwrap();
}
