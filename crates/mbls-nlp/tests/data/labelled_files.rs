//! Labelled texts in files of their own.

use flate2::{Compression, write::GzEncoder};
use mbls_nlp::dataset::LabelledTexts;
use mbls_nlp::dataset::labelled_file::{Format, LabelledFileConfig, class_list, load};
use std::io::Write;

fn read(name: &str, content: &[u8], classes: Option<&[String]>) -> Result<LabelledTexts, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(name);
    std::fs::write(&path, content).unwrap();
    let config = LabelledFileConfig { text: "review".into(), label: "stars".into(), format: None };
    load(path, classes, &config).map_err(|error| error.to_string())
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
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(json.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let files = [
        ("a.csv", csv.replace("  \"", "\"  ").as_bytes()),
        ("a.TSV", tsv.as_bytes()),
        ("a.jsonl", json.as_bytes()),
        ("a.ndjson.gz", &packed),
    ]
    .map(|(name, content)| (name, content.to_vec()));
    for (name, content) in files {
        let set = read(name, &content, None).unwrap();
        assert_eq!(set.texts(), ["a \"nice\", one", "", "  two\nlines"], "{name}");
        assert_eq!((set.labels(), set.class_names()), (&[1, 0, 1][..], &names(&["bad", "good"])[..]), "{name}");
    }
}

#[test]
fn labels_are_numbers_names_or_those_of_training() {
    let numbers =
        read("a.jsonl", b"{\"review\":\"x\",\"stars\":1}\n{\"review\":\"y\",\"stars\":\"0\"}\n", None).unwrap();
    assert_eq!((numbers.labels(), numbers.class_names()), (&[1, 0][..], &names(&["0", "1"])[..]));
    let classes = names(&["good", "bad", "ugly"]);
    let test = read("a.csv", b"review,stars\nx,ugly\ny,1\n", Some(&classes)).unwrap();
    assert_eq!((test.labels(), test.classes()), (&[2, 1][..], 3));
    let unseen = read("a.csv", b"review,stars\nx,ugly\ny,better\n", Some(&classes)).unwrap_err();
    assert!(unseen.contains("line 3: label: expected one of the 3 classes of the list, found \"better\""), "{unseen}");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "good\nbad\nugly\n").unwrap();
    assert_eq!(class_list(file.path()).unwrap(), classes);
}

#[test]
fn what_does_not_fit_is_named() {
    for (name, content, expected) in [
        (
            "a.csv",
            &b"text,stars\nx,y\n"[..],
            "line 1: expected a header with one column \"review\", found [\"text\", \"stars\"]",
        ),
        ("a.csv", b"review,stars,stars\nx,y,z\n", "line 1: expected a header with one column \"stars\""),
        ("a.tsv", b"review,stars\nx,y\n", "line 1: expected a header with one column \"review\""),
        ("a.csv", b"", "line 1: expected a header"),
        ("a.csv", b"review,stars\n", "number of texts: expected at least 1, found 0"),
        ("a.csv", b"review,stars\nx,a\ny\n", "as many fields in each line as in the header"),
        ("a.csv", b"review,stars\nx,a\ny, \n", "line 3: stars: expected a name or a number, found \"\""),
        ("a.csv", b"review,stars\nx,a\ny,a\n", "number of classes: expected at least 2, found 1: [\"a\"]"),
        ("a.csv", b"review,stars\nx,0\ny,2\n", "texts of class 1: expected at least 1, found 0"),
        ("a.csv", b"review,stars\nx,a\n\xe9,b\n", "line 3 (byte 17): expected text in UTF-8, found other bytes"),
        ("a.jsonl", b"{\"review\":\"x\",\"stars\":\"a\"}\n[1]\n", "line 2: expected a JSON object"),
        ("a.jsonl", b"{\"stars\":\"a\"}\n", "line 1: review: expected a text, found none"),
        ("a.jsonl", b"{\"review\":3,\"stars\":\"a\"}\n", "line 1: review: expected a text, found 3"),
        (
            "a.jsonl",
            b"{\"review\":\"x\",\"stars\":1.5}\n",
            "line 1: stars: expected a name or a whole number, found 1.5",
        ),
        ("a.txt", b"x\n", "ending: expected .csv, .tsv, .jsonl or .ndjson, or a format"),
        ("a.csv.gz", b"review,stars\n", "not a whole gzip file"),
    ] {
        let error = read(name, content, None).unwrap_err();
        assert!(error.contains(expected), "{name}: {error}\nexpected: {expected}");
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, "text\tlabel\nx\ta\ny\tb\n").unwrap();
    let config = LabelledFileConfig { format: Some(Format::Tsv), ..Default::default() };
    assert_eq!(load(file.path(), None, &config).unwrap().len(), 2);
}
