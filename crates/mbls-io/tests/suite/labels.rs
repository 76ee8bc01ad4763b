//! Tests of label columns: names, numbers or positions, decided once per column.

use mbls_io::{Classes, Label, LabelColumn, LabelReading, Labels, Written};
use proptest::prelude::*;
use std::path::Path;

fn strings(values: &[&str]) -> Vec<String> {
    values.iter().map(|&value| value.to_owned()).collect()
}

fn column(labels: &[Label], list: Option<&[&str]>, how: Labels) -> Result<Classes, String> {
    let list = list.map(strings);
    let column = LabelColumn { path: Path::new("a.csv"), name: "label", labels, items: "texts" };
    column.classes(list.as_deref(), how).map_err(|error| error.to_string())
}

fn texts(labels: &[&str]) -> Vec<Label> {
    let label = |(text, line): (&&str, u64)| Label {
        text: (*text).to_owned(),
        line,
        written: Written::Text,
    };
    labels.iter().zip(2..).map(label).collect()
}

fn read(labels: &[&str], list: Option<&[&str]>, how: Labels) -> Result<Classes, String> {
    column(&texts(labels), list, how)
}

fn found(labels: &[&str]) -> Result<Classes, String> {
    read(labels, None, Labels::Auto)
}

#[test]
fn a_mixture_of_names_and_positions_is_an_error() {
    // 3 was the class "4", which is at position 3.
    let list = ["0", "1", "2", "4", "A", "B"];
    let error = read(&["3", "4", "A"], Some(&list), Labels::Auto).unwrap_err();
    assert_eq!(
        error,
        "a.csv: label: expected only names of the 6 classes or only positions in their list (`labels = \"names\"` \
         reads all as names), found \"3\" in line 2 and \"A\" in line 4"
    );
    let error = read(&["dog", "fox", "2"], Some(&["cat", "dog", "fox"]), Labels::Auto).unwrap_err();
    assert!(error.contains("found \"dog\" in line 2 and \"2\" in line 4"), "{error}");
    // A name that is also the position of another class.
    let error = read(&["A", "4"], Some(&list), Labels::Auto).unwrap_err();
    assert!(
        error.starts_with("a.csv: line 3: label: expected no name of a class that is the position"),
        "{error}"
    );
    assert!(
        error.contains("`labels = \"names\"`") && error.contains("`labels = \"positions\"`"),
        "{error}"
    );
    assert!(error.ends_with("found \"4\""), "{error}");
    // Ambiguous even without a mixture.
    assert!(read(&["4", "4"], Some(&list), Labels::Auto).is_err());
    // A name at its own position is not ambiguous.
    assert_eq!(read(&["0", "1", "A"], Some(&list), Labels::Auto).unwrap().labels, [0, 1, 4]);
    assert_eq!(read(&["0", "3"], Some(&list), Labels::Auto).unwrap().labels, [0, 3]);
    // With an explicit setting it is unambiguous.
    assert_eq!(read(&["4", "A", "2"], Some(&list), Labels::Names).unwrap().labels, [3, 4, 2]);
    assert_eq!(read(&["4", "3", "2"], Some(&list), Labels::Positions).unwrap().labels, [4, 3, 2]);
    assert!(
        read(&["3"], Some(&list), Labels::Names)
            .unwrap_err()
            .contains("line 2: label: expected one of the 6")
    );
    let error = read(&["A"], Some(&list), Labels::Positions).unwrap_err();
    assert!(
        error.contains("line 2: label: expected a position in the list of 6 classes, found \"A\""),
        "{error}"
    );
}

#[test]
fn all_names_or_all_positions_are_read_and_said() {
    let list = Some(&["cat", "dog", "fox"][..]);
    let names = read(&["fox", "cat"], list, Labels::Auto).unwrap();
    assert_eq!((&names.labels[..], &names.reading), (&[2, 0][..], &LabelReading::Names(3)));
    assert_eq!(names.reading.to_string(), "labels are names of 3 classes");
    let positions = read(&["2", "0"], list, Labels::Auto).unwrap();
    assert_eq!(
        (&positions.labels[..], &positions.reading),
        (&[2, 0][..], &LabelReading::Positions(3))
    );
    assert_eq!(positions.reading.to_string(), "labels are positions in a list of 3 classes");
    for label in ["3", "-1", "01", "+1", "Cat", "1.0", "NA"] {
        let error = read(&["0", label], list, Labels::Auto).unwrap_err();
        let expected =
            format!("line 3: label: expected one of the 3 classes of the list, found {label:?}");
        assert!(error.contains(&expected), "{error}");
    }
    // Numbers in a list are values, never positions.
    let numbers = read(&["4", "0"], Some(&["0", "4"]), Labels::Auto).unwrap();
    assert_eq!(
        (&numbers.labels[..], numbers.reading),
        (&[1, 0][..], LabelReading::Numbers(strings(&["0", "4"])))
    );
    assert_eq!(read(&["0", "1"], Some(&["1", "0"]), Labels::Auto).unwrap().labels, [1, 0]);
    assert!(
        read(&["1"], Some(&["0", "4"]), Labels::Auto).unwrap_err().contains("one of the 2 classes")
    );
    assert_eq!(read(&["1"], Some(&["0", "4"]), Labels::Positions).unwrap().labels, [1]);
    let error = read(&["a"], Some(&["a", "b", "a"]), Labels::Auto).unwrap_err();
    assert_eq!(error, "list of classes: expected each once, found \"a\" twice");
}

#[test]
fn numbers_may_begin_anywhere_and_have_gaps() {
    let ag_news = found(&["3", "4", "1", "2", "4"]).unwrap();
    assert_eq!(
        (&ag_news.labels[..], &ag_news.names),
        (&[2, 3, 0, 1, 3][..], &strings(&["1", "2", "3", "4"]))
    );
    let said = "labels are numbers: 1 is class 0, 2 is class 1, 3 is class 2, 4 is class 3";
    assert_eq!(ag_news.reading.to_string(), said);
    let sentiment = found(&["4", "0", "4"]).unwrap();
    assert_eq!((&sentiment.labels[..], sentiment.names), (&[1, 0, 1][..], strings(&["0", "4"])));
    // Sorted by value, not as text; including negative numbers and numbers of any size.
    let values = found(&["10", "-1", "9", "18446744073709551615", "0"]).unwrap();
    assert_eq!(values.names, strings(&["-1", "0", "9", "10", "18446744073709551615"]));
    assert_eq!(values.labels, [3, 0, 2, 4, 1]);
    let usual = found(&["1", "0", "2"]).unwrap();
    assert_eq!(
        (&usual.labels[..], usual.reading.to_string()),
        (&[1, 0, 2][..], "labels are the numbers of 3 classes".into())
    );
    let many: Vec<String> = (1..=12).map(|i| i.to_string()).collect();
    let many =
        found(&many.iter().map(String::as_str).collect::<Vec<_>>()).unwrap().reading.to_string();
    assert!(many.ends_with("10 is class 9, ..., 12 is class 11"), "{many}");
    // The test part with the classes of the training part.
    assert_eq!(read(&["4"], Some(&["1", "2", "3", "4"]), Labels::Auto).unwrap().labels, [3]);
    // Zero-padded, as long as every number is written in one way.
    let padded = found(&["02", "10", "01"]).unwrap();
    assert_eq!((&padded.labels[..], padded.names), (&[1, 2, 0][..], strings(&["01", "02", "10"])));
    assert!(
        read(&["1"], Some(&["01", "02"]), Labels::Auto)
            .unwrap_err()
            .contains("one of the 2 classes")
    );
    assert_eq!(found(&[]).unwrap().names.len(), 0);
}

#[test]
fn a_mixture_without_a_list_is_an_error_with_a_way_out() {
    for (labels, places) in [
        (&["3", "4", "A"][..], "found \"3\" in line 2 and \"A\" in line 4"),
        (&["A", "A", "7", "8"], "found \"A\" in line 2 and \"7\" in line 4"),
        (&["1", "NA"], "found \"1\" in line 2 and \"NA\" in line 3"),
        (&["0", "1.0"], "found \"0\" in line 2 and \"1.0\" in line 3"),
    ] {
        let error = found(labels).unwrap_err();
        let expected = "a.csv: label: expected only whole numbers or only names (`labels = \"names\"` reads all";
        assert!(error.starts_with(expected) && error.ends_with(places), "{error}");
    }
    for labels in [["1", "01"], ["+1", "1"], ["-0", "0"]] {
        let error = found(&labels).unwrap_err();
        assert!(error.contains("expected one notation of each number"), "{error}");
        assert!(
            error.ends_with(&format!(
                "found {:?} in line 2 and {:?} in line 3",
                labels[0], labels[1]
            )),
            "{error}"
        );
    }
    let names = read(&["3", "4", "A", "03"], None, Labels::Names).unwrap();
    assert_eq!(
        (&names.labels[..], names.names),
        (&[1, 2, 3, 0][..], strings(&["03", "3", "4", "A"]))
    );
    assert_eq!(found(&["b", "a", "b"]).unwrap().labels, [1, 0, 1]);
}

#[test]
fn positions_without_a_list_have_no_gaps() {
    assert_eq!(read(&["1", "0", "1"], None, Labels::Positions).unwrap().labels, [1, 0, 1]);
    let error = read(&["2", "0", "2"], None, Labels::Positions).unwrap_err();
    assert_eq!(error, "a.csv: texts of class 1: expected at least 1, found 0");
    for label in ["18446744073709551615", "-1", "a", "01"] {
        let error = read(&[label], None, Labels::Positions).unwrap_err();
        assert!(
            error.starts_with(
                "a.csv: line 2: label: expected a position below 1, the number of texts"
            ),
            "{error}"
        );
    }
}

#[test]
fn formats_that_tell_texts_from_numbers_may_not_mix_them() {
    let label =
        |(text, written): (&str, Written), line| Label { text: text.to_owned(), line, written };
    let read = |first, second, how| column(&[label(first, 1), label(second, 2)], None, how);
    use Written::{Boolean, Number, Text};
    for (first, second, places) in [
        (("3", Number), ("3", Text), "found 3 in line 1 and \"3\" in line 2"),
        (("0", Text), ("1", Number), "found \"0\" in line 1 and 1 in line 2"),
        (("true", Boolean), ("true", Text), "found true in line 1 and \"true\" in line 2"),
        (("0", Number), ("false", Boolean), "found 0 in line 1 and false in line 2"),
    ] {
        let error = read(first, second, Labels::Auto).unwrap_err();
        assert!(
            error.contains("expected only texts, only numbers or only booleans")
                && error.ends_with(places),
            "{error}"
        );
        assert!(read(first, second, Labels::Names).is_ok());
    }
    assert_eq!(read(("-1", Number), ("1", Number), Labels::Auto).unwrap().names, ["-1", "1"]);
    assert_eq!(read(("true", Boolean), ("false", Boolean), Labels::Auto).unwrap().labels, [1, 0]);
    let list = strings(&["0", "1"]);
    let one = [label(("1", Number), 1)];
    let column = LabelColumn { path: Path::new("a"), name: "label", labels: &one, items: "texts" };
    assert_eq!(column.classes(Some(&list), Labels::Auto).unwrap().labels, [1]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    /// Every label is the name of its class, and the classes of a file read it, and every part of it, in the same way.
    #[test]
    fn classes_read_their_own_file(
        labels in prop_oneof![
            prop::collection::vec("[0-9]{1,2}|-[1-9]", 1..20),
            prop::collection::vec("[a-c]{1,2}", 1..20),
            prop::collection::vec("[a-c0-3]{1,2}", 1..20),
        ],
        cut in any::<prop::sample::Index>(),
        as_names in any::<bool>(),
    ) {
        let how = if as_names { Labels::Names } else { Labels::Auto };
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let Ok(classes) = read(&labels, None, how) else {
            prop_assert!(!as_names);
            return Ok(());
        };
        for (label, &class) in labels.iter().zip(&classes.labels) {
            prop_assert_eq!(*label, &classes.names[class as usize]);
        }
        let list: Vec<&str> = classes.names.iter().map(String::as_str).collect();
        let part = &labels[..=cut.index(labels.len())];
        let again = read(part, Some(&list), how).unwrap();
        prop_assert_eq!(&again.labels[..], &classes.labels[..part.len()]);
    }
}
