//! Tests of delimited records: the rules, malformed input, and the csv crate as reference on
//! well-formed input.

use mbls_io::delimited::{Delimited, Quoting};
use mbls_io::{OnError, Reading};
use proptest::prelude::*;
use std::path::Path;

type Records = Vec<(u64, Vec<String>)>;

fn read_with(
    content: &[u8],
    delimiter: u8,
    quoting: Quoting,
    on_error: OnError,
) -> Result<(Records, Reading), String> {
    let read = || {
        let mut records =
            Delimited::new(Path::new("a.csv"), content, delimiter, quoting, on_error)?;
        let mut found = Records::new();
        while let Some(record) = records.next_record()? {
            found.push((record.line, record.fields().map(str::to_owned).collect()));
        }
        Ok((found, records.finish()))
    };
    read().map_err(|error: mbls_io::Error| error.to_string())
}

fn csv(content: &str) -> Result<(Records, Reading), String> {
    read_with(content.as_bytes(), b',', Quoting::Double, OnError::Fail)
}

fn tsv(content: &str) -> Result<(Records, Reading), String> {
    read_with(content.as_bytes(), b'\t', Quoting::None, OnError::Fail)
}

/// Ten rows, with the texts of the given rows, counted from 1, replaced.
fn rows(delimiter: char, changed: &[(usize, &str)]) -> String {
    let text = |row: usize| {
        changed.iter().find(|(other, _)| *other == row).map(|(_, text)| (*text).to_owned())
    };
    let row =
        |i| format!("{}{delimiter}{}\n", i % 2, text(i).unwrap_or_else(|| format!("text {i}")));
    format!("label{delimiter}text\n{}", (1..=10).map(row).collect::<String>())
}

#[test]
fn texts_that_begin_with_a_quotation_mark_are_texts_in_tab_separated_values() {
    let (records, reading) = tsv(&rows('\t', &[(3, "\"text 3"), (8, "\"text 8")])).unwrap();
    assert_eq!(records.len(), 10);
    assert_eq!(
        (&records[2], &records[7].1[1][..]),
        (&(4, vec!["1".into(), "\"text 3".into()]), "\"text 8")
    );
    assert_eq!(
        (reading.records, reading.lines, reading.multi_line.records, reading.literal_quotes),
        (10, 11, 0, 2)
    );
    assert_eq!(
        reading.to_string(),
        "10 records from 11 lines, quoting none, quotation marks kept as text at the beginning of 2 fields"
    );
    // A single mark, a closed pair, and one at the end.
    for text in ["\"", "\"text\"", "\"a\" b \"c\"", "5\" disk", "\"\""] {
        assert_eq!(tsv(&rows('\t', &[(10, text)])).unwrap().0[9].1[1], text);
    }
}

#[test]
fn a_quotation_mark_that_stays_open_is_an_error() {
    // Row 7 is line 8.
    let open = "quotation mark that opens field 2: expected a closing one, found the end of the file in line 11";
    let error = csv(&rows(',', &[(7, "\"text 6")])).unwrap_err();
    assert!(error.starts_with(&format!("a.csv: line 8: {open}")), "{error}");
    assert!(error.ends_with("(`quoting = \"none\"` reads quotation marks as text)"), "{error}");
    // In the last row, with and without a line end, and in the field before it.
    for content in [
        "label,text\n0,\"a",
        "label,text\n0,\"a\n",
        "label,text\n\n0,\"a\"\"",
        "label,text\n\"0,a\n",
    ] {
        let error = csv(content).unwrap_err();
        assert!(
            error.contains("expected a closing one, found the end of the file in line"),
            "{content:?}: {error}"
        );
    }
    assert!(csv("label,text\n0,\"a\n").unwrap_err().contains("end of the file in line 2"));
    // Closed by the mark that should have opened the next field.
    let error = csv(&rows(',', &[(3, "\"text 3"), (8, "\"text 8\"")])).unwrap_err();
    assert!(
        error.starts_with("a.csv: line 4: quotation mark that opens field 2: expected a delimiter"),
        "{error}"
    );
    assert!(error.contains("found \"text 8\\\"\" after the closing one in line 9"), "{error}");
}

#[test]
fn what_follows_a_closing_quotation_mark_is_an_error() {
    for text in ["\"a\" b", "\"a\"b", "\"a\" ", "\"a\"\"\"b\"", "\"a\"\t"] {
        let error = csv(&rows(',', &[(2, text)])).unwrap_err();
        assert!(
            error.starts_with(
                "a.csv: line 3: quotation mark that opens field 2: expected a delimiter"
            ),
            "{error}"
        );
    }
    // Within a field a mark is text, as in lenient RFC 4180 readers.
    assert_eq!(csv(&rows(',', &[(2, "say \"a\" b")])).unwrap().0[1].1[1], "say \"a\" b");
    assert_eq!(csv(&rows(',', &[(2, " \"a\"")])).unwrap().1.literal_quotes, 1);
}

#[test]
fn records_of_several_lines_are_counted() {
    let (records, reading) = csv("a,b\n1,\"x\ny\"\n2,\"\r\n\n\"\n3,\"\"\n\n   \n4,z").unwrap();
    let lines: Vec<u64> = records.iter().map(|record| record.0).collect();
    assert_eq!((lines, records[1].1[1].as_str()), (vec![2, 4, 7, 10], "\r\n\n"));
    assert_eq!((reading.records, reading.lines, reading.blank), (4, 10, 2));
    assert_eq!((reading.multi_line.records, reading.multi_line.longest), (2, Some([4, 6])));
    assert_eq!(
        reading.to_string(),
        "4 records from 10 lines, quoting double, 2 blank lines, 2 records of several lines (the longest line 4 to 6)"
    );
}

#[test]
fn lines_end_in_one_way() {
    let expected: Records =
        vec![(2, vec!["1".into(), "x".into()]), (3, vec!["2".into(), String::new()])];
    for content in [
        "a,b\n1,x\n2,\n",
        "a,b\r\n1,x\r\n2,",
        "\u{feff}a,b\r1,x\r2,\r",
        "a,b\n1,x\r\n2,\r",
        "\"a\",b\n\"1\",x\n2,\"\"",
    ] {
        let (records, reading) = csv(content).unwrap();
        assert_eq!((&records, reading.lines), (&expected, 3), "{content:?}");
    }
    let error = csv("a,b\n1,x\ry\n").unwrap_err();
    assert!(
        error.starts_with("a.csv: line 2: expected a line feed after the carriage return"),
        "{error}"
    );
    assert!(tsv("a\tb\n1\tx\ry\n").unwrap_err().contains("carriage return"));
    assert_eq!(csv("a,b\n1,\"x\ry\"\n").unwrap().0[0].1[1], "x\ry");
    for content in ["", "\u{feff}", "\n\n"] {
        let (records, reading) = csv(content).unwrap();
        assert_eq!(
            (records.len(), reading.lines),
            (0, content.matches('\n').count() as u64),
            "{content:?}"
        );
    }
}

#[test]
fn every_record_has_as_many_fields_as_the_header() {
    for (content, line, found) in
        [("a,b\n1\n", 2, 1), ("a,b\n1,2\n\n1,2,3\n", 4, 3), ("a\n\"x\ny\"\n1,\n", 4, 2)]
    {
        let error = csv(content).unwrap_err();
        let expected = format!("a.csv: line {line}: number of fields: expected");
        assert!(
            error.starts_with(&expected) && error.ends_with(&format!("found {found}")),
            "{error}"
        );
    }
}

#[test]
fn columns_are_found_by_one_name() {
    let column = |content: &str, quoting| {
        let records =
            Delimited::new(Path::new("a.csv"), content.as_bytes(), b',', quoting, OnError::Fail)
                .unwrap();
        records.column("text").map_err(|error| error.to_string())
    };
    assert_eq!(column("\u{feff}\"label\", text \n", Quoting::Double), Ok(1));
    for content in ["text,text\n", "label\n", "", "Text,label\n"] {
        let error = column(content, Quoting::Double).unwrap_err();
        assert!(
            error.starts_with("a.csv: line 1: expected a header with one column \"text\""),
            "{error}"
        );
    }
    assert!(
        column("\n\nlabel\n", Quoting::Double).unwrap_err().contains("line 3: expected a header")
    );
    let error = column("\"label\",\"text\"\n", Quoting::None).unwrap_err();
    assert!(error.ends_with("(`quoting = \"double\"` removes quotation marks)"), "{error}");
}

#[test]
fn what_cannot_be_decoded_is_refused_or_counted() {
    let content = b"a,b\n1,x\n2,\xe9\n3,\0\n4,\"y\n\xff\"\n5,z\n";
    let read = |on_error| read_with(content, b',', Quoting::Double, on_error);
    let error = read(OnError::Fail).unwrap_err();
    assert!(
        error.starts_with("a.csv: line 3 (byte 10): expected text in UTF-8, found other bytes"),
        "{error}"
    );
    assert!(error.ends_with("(`--skip-undecodable`, `OnError::Skip`, leaves it out)"), "{error}");
    let (records, reading) = read(OnError::Skip).unwrap();
    assert_eq!(records.iter().map(|record| record.0).collect::<Vec<_>>(), [2, 7]);
    assert_eq!((reading.records, reading.lines, reading.left_out.records), (2, 7, 3));
    assert_eq!(
        reading.to_string(),
        "2 records from 7 lines, quoting double, 3 records left out that cannot be decoded (line 3: other bytes \
         instead of text in UTF-8; line 4: a NUL byte instead of text in UTF-8; line 5: other bytes instead of text \
         in UTF-8)"
    );
    let nul = read_with(b"a,b\n1,\0\n", b',', Quoting::Double, OnError::Fail).unwrap_err();
    assert!(nul.contains("line 2 (byte 6): expected text in UTF-8, found a NUL byte"), "{nul}");
    // UTF-16, as some spreadsheets write "Unicode text": even the header cannot be read.
    let wide: Vec<u8> = "\u{feff}a\tb\n1\t2\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let error = read_with(&wide, b'\t', Quoting::None, OnError::Skip).unwrap_err();
    assert!(error.contains("line 1 (byte 0): expected text in UTF-8"), "{error}");
    // A wrong number of fields is not a decoding error.
    assert!(read_with(b"a,b\n1\n", b',', Quoting::Double, OnError::Skip).is_err());
    assert!(read_with(b"a,b\n1,\"\n", b',', Quoting::Double, OnError::Skip).is_err());
}

#[test]
fn a_label_is_there_and_not_half_quoted() {
    let label = |content: &str, quoting| {
        let mut records =
            Delimited::new(Path::new("a.csv"), content.as_bytes(), b',', quoting, OnError::Fail)?;
        let record = records.next_record()?.expect("a record");
        records.label(&record, 0)
    };
    assert_eq!(label("y,x\n a b ,1\n", Quoting::Double).unwrap().text, "a b");
    assert_eq!(label("y,x\n\"\"\"a\"\"\",1\n", Quoting::Double).unwrap().text, "\"a\"");
    for (content, quoting, expected) in [
        (
            "y,x\n  ,1\n",
            Quoting::Double,
            "line 2: y: expected a name or a number, found \"\", a missing label",
        ),
        ("y,x\n\"a\",1\n", Quoting::None, "line 2: y: expected a label without quotation marks"),
        (
            "y,x\n \"a\",1\n",
            Quoting::Double,
            "line 2: y: expected no white space before a quotation mark",
        ),
    ] {
        let error = label(content, quoting).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn well_formed_records_are_those_of_the_csv_crate(
        records in (1usize..4).prop_flat_map(|columns| {
            prop::collection::vec(prop::collection::vec("[ab ,\"\n\r\té]{0,6}", columns), 1..6)
        }),
        crlf in any::<bool>(),
        always in any::<bool>(),
    ) {
        let terminator = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let style = if always { csv::QuoteStyle::Always } else { csv::QuoteStyle::Necessary };
        let mut writer = csv::WriterBuilder::new().terminator(terminator).quote_style(style).from_writer(Vec::new());
        writer.write_record(records[0].iter().map(|_| "h")).unwrap();
        records.iter().for_each(|record| writer.write_record(record).unwrap());
        let content = writer.into_inner().unwrap();
        // Writing and reading back preserves the records, except for lines of a single field of
        // spaces.
        prop_assume!(always || records.iter().all(|record| record.iter().any(|field| !field.trim_matches(' ').is_empty())));
        let (found, reading) = read_with(&content, b',', Quoting::Double, OnError::Fail).unwrap();
        let fields: Vec<&Vec<String>> = found.iter().map(|record| &record.1).collect();
        prop_assert_eq!(fields, records.iter().collect::<Vec<_>>());
        let mut peer = csv::Reader::from_reader(content.as_slice());
        let lines: Vec<u64> = peer.records().map(|record| record.unwrap().position().unwrap().line()).collect();
        // The csv crate counts the record's line before it skips the line feed of the previous
        // record's CRLF.
        if !crlf {
            prop_assert_eq!(found.iter().map(|record| record.0).collect::<Vec<_>>(), lines);
        }
        prop_assert_eq!(reading.lines as usize, content.iter().filter(|&&byte| byte == b'\n').count());
    }

    #[test]
    fn any_bytes_are_read_as_the_csv_crate_reads_them_or_refused(
        content in "[ab,\"\n\r]{0,24}", quoted in any::<bool>(),
    ) {
        let content = format!("h,h\n{content}");
        let quoting = if quoted { Quoting::Double } else { Quoting::None };
        let found = read_with(content.as_bytes(), b',', quoting, OnError::Fail);
        let mut peer = csv::ReaderBuilder::new().quoting(quoted).from_reader(content.as_bytes());
        let expected: Result<Vec<Vec<String>>, _> =
            peer.records().map(|record| record.map(|record| record.iter().map(str::to_owned).collect())).collect();
        if let Ok((records, _)) = found {
            prop_assert_eq!(records.into_iter().map(|record| record.1).collect::<Vec<_>>(), expected.unwrap());
        }
    }
}
