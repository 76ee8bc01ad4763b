use crate::program::{mbls, write};
use mbls_cli::Exit;
use tempfile::TempDir;

/// Of 2000 rows the surer half is right, and a third of the others.
fn folder() -> TempDir {
    let folder = TempDir::new().unwrap();
    let line = |i: usize| {
        let correct = usize::from(i >= 1000 || i.is_multiple_of(3));
        format!("{},{correct}\n", 0.25 + i as f64 / 4000.0)
    };
    let lines: String = (0..2000).map(line).collect();
    write(&folder, "x.csv", format!("confidence,correct\n{lines}"));
    folder
}

#[test]
fn a_threshold_for_a_risk_or_a_coverage() {
    let folder = folder();
    let json = mbls(&folder, "select @/x.csv --risk 0.05 --format json").json();
    let one = &json["thresholds"][0];
    let number = |key: &str| one[key].as_f64().unwrap();
    assert!(number("risk") < number("risk_bound") && number("risk_bound") <= 0.05, "{one}");
    assert!((0.5..0.56).contains(&number("coverage")), "{one}");
    let json = mbls(&folder, "select @/x.csv --coverage 0.5 --format json").json();
    assert_eq!(
        (&json["thresholds"][0]["threshold"], &json["thresholds"][0]["wrong"]),
        (&0.5.into(), &0.into())
    );
    let table = mbls(&folder, "select @/x.csv");
    assert!(table.exit == Exit::Fine && table.out.contains("risk at most"), "{}", table.out);
}

#[test]
fn what_cannot_be_guaranteed_is_said() {
    let folder = folder();
    for (options, part) in [
        ("--risk 0.0001", "no threshold keeps the risk"),
        ("--risk 0", "--risk 0"),
        ("--coverage 1.5", "--coverage 1.5"),
        ("--level 1", "--level 1"),
        ("--format csv", "csv"),
    ] {
        let ran = mbls(&folder, &format!("select @/x.csv --quiet {options}"));
        assert_eq!((ran.exit, &*ran.out), (Exit::BadInput, ""), "{options}");
        assert!(ran.messages.contains(part), "{}", ran.messages);
    }
}
