//! Files of labelled texts.

use flate2::{Compression, write::GzEncoder};
use mbls_io::delimited::Quoting;
use mbls_io::{Labels, LeftOut, OnError, Reading};
use mbls_nlp::dataset::LabelledTexts;
use mbls_nlp::dataset::labelled_file::{
    Format, LabelledFile, LabelledFileConfig, class_list, load,
};
use std::io::Write;

fn read_with(
    name: &str,
    content: &[u8],
    classes: Option<&[String]>,
    change: impl FnOnce(&mut LabelledFileConfig),
    on_error: OnError,
) -> Result<LabelledFile, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    let mut config =
        LabelledFileConfig { text: "review".into(), label: "stars".into(), ..Default::default() };
    change(&mut config);
    load(path, classes, &config, on_error).map_err(|error| error.to_string())
}

fn read(name: &str, content: &[u8], classes: Option<&[String]>) -> Result<LabelledTexts, String> {
    read_with(name, content, classes, |_| (), OnError::Fail).map(|file| file.texts)
}

/// Returns ten rows, some of them with changed texts.
fn rows(delimiter: char, changed: &[(usize, &str)]) -> Vec<u8> {
    let text = |row: usize| {
        changed.iter().find(|(other, _)| *other == row).map(|(_, text)| (*text).to_owned())
    };
    let row = |i: usize| {
        format!("{}{delimiter}{}\n", i % 2, text(i).unwrap_or_else(|| format!("text {i}")))
    };
    format!("stars{delimiter}review\n{}", (1..=10).map(row).collect::<String>()).into_bytes()
}

fn gz(content: &[u8]) -> Vec<u8> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(content).unwrap();
    packed.finish().unwrap()
}

fn names(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn the_formats_say_the_same() {
    let csv = "\u{feff}id,stars,review\r\n1,good,\"a \"\"nice\"\", one\"\r\n2,bad,\r\n3,good,  two\nlines?  \n";
    let csv = csv.replace("two\nlines?  ", "\"two\nlines\"");
    let tsv = "review\tstars\n\"a \"\"nice\"\", one\"\tgood\n\tbad\n\"  two\nlines\"\tgood\n";
    let json = "{\"review\":\"a \\\"nice\\\", one\",\"stars\":\"good\",\"id\":1}\n\n{\"stars\":\"bad\",\"review\":\"\"}\n{\"stars\":\"good\",\"review\":\"  two\\nlines\"}";
    let packed = gz(json.as_bytes());
    let files = [
        ("a.csv", csv.replace("  \"", "\"  ").as_bytes()),
        ("a.TSV", tsv.as_bytes()),
        ("a.jsonl", json.as_bytes()),
        ("a.ndjson.gz", &packed),
    ]
    .map(|(name, content)| (name, content.to_vec()));
    for (name, content) in files {
        // Tab-separated values are quoted only if declared.
        let quoting = name.ends_with("TSV").then_some(Quoting::Double);
        let set = read_with(name, &content, None, |config| config.quoting = quoting, OnError::Fail)
            .unwrap()
            .texts;
        assert_eq!(set.texts(), ["a \"nice\", one", "", "  two\nlines"], "{name}");
        assert_eq!(
            (set.labels(), set.class_names()),
            (&[1, 0, 1][..], &names(&["bad", "good"])[..]),
            "{name}"
        );
    }
}

#[test]
fn quotation_marks_are_texts_in_tab_separated_values() {
    // Regression test: five texts were read, and the third one contained the lines between the
    // quotation marks.
    let content = rows('\t', &[(3, "\"text 3"), (8, "\"text 8")]);
    let file = read_with("a.tsv", &content, None, |_| (), OnError::Fail).unwrap();
    assert_eq!(
        (file.texts.len(), &file.texts.texts()[2][..], &file.texts.texts()[7][..]),
        (10, "\"text 3", "\"text 8")
    );
    assert_eq!(
        (file.reading.records, file.reading.lines, file.reading.quoting),
        (10, 11, Some(Quoting::None))
    );
    let quoted = |content: &[u8]| {
        read_with(
            "a.tsv",
            content,
            None,
            |config| config.quoting = Some(Quoting::Double),
            OnError::Fail,
        )
    };
    let error = quoted(&content).unwrap_err();
    assert!(
        error.contains("line 4: quotation mark that opens field 2") && error.contains("in line 9"),
        "{error}"
    );
    // The format is declared by the settings, and a compressed file.
    let tsv = |config: &mut LabelledFileConfig| config.format = Some(Format::Tsv);
    let declared = read_with("a.txt", &content, None, tsv, OnError::Fail).unwrap();
    assert_eq!((declared.texts.texts(), declared.reading), (file.texts.texts(), file.reading));
    assert_eq!(read("a.tsv.gz", &gz(&content), None).unwrap().texts(), file.texts.texts());
    let said = quoted(&rows('\t', &[(3, "\"text\t3\"")])).unwrap().reading.to_string();
    assert_eq!(
        said,
        "10 records from 11 lines, quoting double; labels are the numbers of 2 classes"
    );
    // Quotation marks in the header show that the file is quoted.
    let error = read("a.tsv", b"\"review\"\t\"stars\"\n\"x\"\t\"a\"\n", None).unwrap_err();
    assert!(error.contains("`quoting = \"double\"` removes quotation marks"), "{error}");
}

#[test]
fn quotation_marks_of_comma_separated_values_are_closed() {
    let error = read("a.csv", &rows(',', &[(7, "\"text 6")]), None).unwrap_err();
    let expected = "line 8: quotation mark that opens field 2: expected a closing one, found the end of the file in line 11";
    assert!(error.contains(expected) && error.contains("`quoting = \"none\"`"), "{error}");
    let error = read("a.csv", &rows(',', &[(3, "\"x"), (8, "\"y")]), None).unwrap_err();
    assert!(error.contains("line 4: quotation mark") && error.contains("in line 9"), "{error}");
    let error = read("a.csv", &rows(',', &[(10, "\"x")]), None).unwrap_err();
    assert!(error.contains("line 11: quotation mark"), "{error}");
    let none = |config: &mut LabelledFileConfig| config.quoting = Some(Quoting::None);
    let file =
        read_with("a.csv", &rows(',', &[(7, "\"text 6")]), None, none, OnError::Fail).unwrap();
    assert_eq!((file.texts.len(), &file.texts.texts()[6][..]), (10, "\"text 6"));
    let file =
        read_with("a.csv", &rows(',', &[(7, "\"a\n\nb\"")]), None, |_| (), OnError::Fail).unwrap();
    assert_eq!((file.reading.lines, file.reading.multi_line.longest), (13, Some([8, 10])));
    let error = read_with("a.jsonl", b"{}", None, none, OnError::Fail).unwrap_err();
    assert_eq!(error, "quoting: expected none given for JSON lines, found none");
}

#[test]
fn settings_are_written_as_before_unless_they_are_given() {
    let default = LabelledFileConfig::default();
    assert_eq!(
        serde_json::to_string(&default).unwrap(),
        r#"{"text":"text","label":"label","format":null}"#
    );
    let config: LabelledFileConfig =
        serde_json::from_str(r#"{"quoting":"double","labels":"positions"}"#).unwrap();
    assert_eq!((config.quoting, config.labels), (Some(Quoting::Double), Labels::Positions));
    assert!(serde_json::from_str::<LabelledFileConfig>(r#"{"quoting":"single"}"#).is_err());
    assert_eq!(
        serde_json::from_str::<LabelledFileConfig>(&serde_json::to_string(&config).unwrap())
            .unwrap(),
        config
    );
}

#[test]
fn labels_are_numbers_names_or_those_of_training() {
    let classes = names(&["good", "bad", "ugly"]);
    let test = |content: &[u8]| read("a.csv", content, Some(&classes));
    assert_eq!(test(b"review,stars\nx,ugly\ny,bad\n").unwrap().labels(), [2, 1]);
    assert_eq!(test(b"review,stars\nx,2\ny,1\n").unwrap().labels(), [2, 1]);
    let unseen = test(b"review,stars\nx,ugly\ny,better\n").unwrap_err();
    assert!(
        unseen
            .contains("line 3: stars: expected one of the 3 classes of the list, found \"better\""),
        "{unseen}"
    );
    let mixed = test(b"review,stars\nx,ugly\ny,1\n").unwrap_err();
    assert!(mixed.contains("found \"ugly\" in line 2 and \"1\" in line 3"), "{mixed}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "good\nbad\nugly\n").unwrap();
    assert_eq!(class_list(file.path()).unwrap(), classes);
}

#[test]
fn labels_that_are_numbers_and_names_are_an_error() {
    // Regression test: 3 was read as the class "4".
    let content = b"stars,review\n3,a\n4,b\nA,c\n";
    let listed = names(&["0", "1", "2", "4", "A", "B"]);
    for classes in [Some(&listed[..]), None] {
        let error = read("a.csv", content, classes).unwrap_err();
        assert!(error.ends_with("found \"3\" in line 2 and \"A\" in line 4"), "{error}");
        assert!(error.contains("`labels = \"names\"` reads all as names"), "{error}");
    }
    let as_names = |config: &mut LabelledFileConfig| config.labels = Labels::Names;
    let file = read_with("a.csv", content, None, as_names, OnError::Fail).unwrap();
    assert_eq!(
        (file.texts.labels(), file.texts.class_names()),
        (&[0, 1, 2][..], &names(&["3", "4", "A"])[..])
    );
    let error = read_with("a.csv", content, Some(&listed), as_names, OnError::Fail).unwrap_err();
    assert!(
        error.contains("line 2: stars: expected one of the 6 classes of the list, found \"3\""),
        "{error}"
    );
    // JSON distinguishes strings from numbers.
    let json = |first: &str, second: &str| {
        let content = format!(
            "{{\"review\":\"x\",\"stars\":{first}}}\n{{\"review\":\"y\",\"stars\":{second}}}\n"
        );
        read("a.jsonl", content.as_bytes(), None)
    };
    for (first, second) in [("3", "\"3\""), ("1", "\"A\""), ("1", "true"), ("\"true\"", "true")] {
        let error = json(first, second).unwrap_err();
        assert!(
            error.contains(&format!("found {first} in line 1 and {second} in line 2")),
            "{error}"
        );
    }
    assert_eq!(json("-1", "1").unwrap().class_names(), names(&["-1", "1"]));
    assert_eq!(json("\"1\"", "\"0\"").unwrap().labels(), [1, 0]);
    assert_eq!(json("true", "false").unwrap().class_names(), names(&["false", "true"]));
    for wrong in ["null", "1.5", "1.0", "[1]", "18446744073709551616"] {
        assert!(
            json("0", wrong)
                .unwrap_err()
                .contains("line 2: stars: expected a name or a whole number"),
            "{wrong}"
        );
    }
    assert!(
        json("\"a\"", "\" \"")
            .unwrap_err()
            .contains("line 2: stars: expected a name or a number, found \"\"")
    );
}

#[test]
fn labels_may_begin_at_one_and_have_gaps() {
    let train = read("a.csv", b"stars,review\n3,a\n1,b\n4,c\n2,d\n", None).unwrap();
    assert_eq!(
        (train.labels(), train.class_names()),
        (&[2, 0, 3, 1][..], &names(&["1", "2", "3", "4"])[..])
    );
    let test = read("a.csv", b"stars,review\n4,a\n", Some(train.class_names())).unwrap();
    assert_eq!(test.labels(), [3]);
    assert!(
        read("a.csv", b"stars,review\n0,a\n", Some(train.class_names()))
            .unwrap_err()
            .contains("one of the 4")
    );
    let file = read_with(
        "a.jsonl",
        b"{\"stars\":4,\"review\":\"\"}\n{\"stars\":0,\"review\":\"\"}",
        None,
        |_| (),
        OnError::Fail,
    );
    let said = file.unwrap().reading.to_string();
    assert_eq!(said, "2 records from 2 lines; labels are numbers: 0 is class 0, 4 is class 1");
}

#[test]
fn what_cannot_be_decoded_is_left_out_and_counted() {
    let reading = |name: &str, content: &[u8]| {
        let error = read(name, content, None).unwrap_err();
        assert!(error.contains("`--skip-undecodable`, `OnError::Skip`, leaves it out"), "{error}");
        let file = read_with(name, content, None, |_| (), OnError::Skip).unwrap();
        assert_eq!(
            (file.texts.texts(), file.texts.labels()),
            (&names(&["x", "y"])[..], &[0, 1][..])
        );
        file.reading
    };
    let object =
        |text: &str, label: &str| format!("{{\"review\":\"{text}\",\"stars\":\"{label}\"}}\n");
    let [first, last] = [object("x", "a"), object("y", "b")];
    for half in
        ["\\ud83d", "\\uDE00", "a\\ud83d b", "\\ud83d\\ud83d\\ude00", "\\ud83d\\n", "\\\\\\ude00"]
    {
        let content = format!("{first}{}\n{last}", object(half, "b"));
        let Reading { records, lines, blank, left_out, .. } =
            reading("a.jsonl", content.as_bytes());
        let place = "line 2: half of a surrogate pair instead of text in UTF-8".to_owned();
        assert_eq!((records, lines, blank), (2, 4, 1));
        assert_eq!(left_out, LeftOut { records: 1, first: vec![place] });
    }
    // A surrogate pair is a character; after an escaped backslash it is plain text.
    let whole = read(
        "a.jsonl",
        format!("{}{last}", object("\\ud83d\\ude00 \\\\ud83d", "a")).as_bytes(),
        None,
    )
    .unwrap();
    assert_eq!(whole.texts()[0], "\u{1f600} \\ud83d");
    let bytes =
        [first.as_bytes(), b"{\"review\":\"\xff\",\"stars\":\"a\"}\n", last.as_bytes()].concat();
    assert_eq!(
        reading("a.jsonl", &bytes).left_out.first,
        ["line 2: other bytes instead of text in UTF-8"]
    );
    assert_eq!(reading("a.csv", b"review,stars\nx,a\n\xff,c\ny,b\n\0,d\n").left_out.records, 2);
    let padded = [gz(format!("{first}{last}").as_bytes()), vec![0; 700]].concat();
    let Reading { ignored_bytes, left_out, .. } = reading("a.jsonl.gz", &padded);
    assert_eq!((ignored_bytes, left_out.records), (700, 0));
    // Decodable but invalid lines are errors.
    for wrong in [
        "{\"review\":\"x\"",
        "{\"review\":\"\\ud83d\",\"stars\":}",
        "[\"\\ud83d\"]",
        "{\"review\":\"x\"}",
        "\\ud83d",
    ] {
        let content = format!("{first}{wrong}\n{last}");
        assert!(
            read_with("a.jsonl", content.as_bytes(), None, |_| (), OnError::Skip).is_err(),
            "{wrong}"
        );
    }
    let twice = read("a.jsonl", b"{\"review\":\"x\",\"review\":\"y\",\"stars\":\"a\"}\n", None)
        .unwrap_err();
    assert!(
        twice.contains("line 1: expected a JSON object, found the field \"review\" is there twice"),
        "{twice}"
    );
}

#[test]
fn what_does_not_fit_is_named() {
    for (name, content, expected) in [
        (
            "a.csv",
            &b"text,stars\nx,y\n"[..],
            "line 1: expected a header with one column \"review\", found [\"text\", \"stars\"]",
        ),
        (
            "a.csv",
            b"review,stars,stars\nx,y,z\n",
            "line 1: expected a header with one column \"stars\"",
        ),
        ("a.tsv", b"review,stars\nx,y\n", "line 1: expected a header with one column \"review\""),
        ("a.csv", b"", "line 1: expected a header"),
        ("a.csv", b"review,stars\n", "number of texts: expected at least 1, found 0"),
        (
            "a.csv",
            b"review,stars\nx,a\ny\n",
            "line 3: number of fields: expected 2, as many as in the header, found 1",
        ),
        (
            "a.csv",
            b"review,stars\nx,a\ny, \n",
            "line 3: stars: expected a name or a number, found \"\"",
        ),
        (
            "a.csv",
            b"review,stars\nx,a\ny,a\n",
            "number of classes: expected at least 2, found 1: [\"a\"]",
        ),
        (
            "a.csv",
            b"review,stars\nx,a\n\xe9,b\n",
            "line 3 (byte 17): expected text in UTF-8, found other bytes",
        ),
        ("a.jsonl", b"{\"review\":\"x\",\"stars\":\"a\"}\n[1]\n", "line 2: expected a JSON object"),
        ("a.jsonl", b"{\"stars\":\"a\"}\n", "line 1: review: expected a text, found none"),
        (
            "a.jsonl",
            b"{\"review\":3,\"stars\":\"a\"}\n",
            "line 1: review: expected a text, found 3",
        ),
        (
            "a.jsonl",
            b"{\"review\":\"x\",\"stars\":1.5}\n",
            "line 1: stars: expected a name or a whole number, found 1.5",
        ),
        ("a.txt", b"x\n", "ending: expected .csv, .tsv, .jsonl or .ndjson, or a format"),
        ("a.csv.gz", b"review,stars\n", "not a complete gzip file"),
    ] {
        let error = read(name, content, None).unwrap_err();
        assert!(error.contains(expected), "{name}: {error}\nexpected: {expected}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "text\tlabel\nx\ta\ny\tb\n").unwrap();
    let config = LabelledFileConfig { format: Some(Format::Tsv), ..Default::default() };
    assert_eq!(load(file.path(), None, &config, OnError::Fail).unwrap().texts.len(), 2);
}
