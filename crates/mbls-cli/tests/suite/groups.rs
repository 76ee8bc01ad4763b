use crate::program::{f32s, folder, i64s, mbls, npz, rows, value, write};
use tempfile::TempDir;

#[test]
fn a_group_has_the_metrics_of_its_rows() {
    let folder = folder();
    let (logits, labels) = rows();
    let groups: Vec<i64> = (0..60).map(|row| row % 4 + 8).collect();
    let arrays = [
        ("logits", f32s("(60, 3)", &logits)),
        ("labels", i64s("(60,)", &labels)),
        ("site", i64s("(60,)", &groups)),
    ];
    write(&folder, "groups.npz", npz(&arrays, false));
    let json =
        mbls(&folder, "eval @/groups.npz --group-by site --resamples 20 --format json").json();
    let found = &json["groups"];
    let names: Vec<&str> = found["groups"]
        .as_array()
        .unwrap()
        .iter()
        .map(|group| group["name"].as_str().unwrap())
        .collect();
    assert_eq!((found["by"].as_str(), &names[..]), (Some("site"), &["8", "9", "10", "11"][..]));
    let mut worst = (0.0, "");
    for (index, name) in names.iter().enumerate() {
        let keep = |row: &usize| groups[*row] == index as i64 + 8;
        let members: Vec<usize> = (0..60).filter(keep).collect();
        let logits: Vec<f32> =
            members.iter().flat_map(|row| logits[row * 3..][..3].to_vec()).collect();
        let labels: Vec<i64> = members.iter().map(|&row| labels[row]).collect();
        let arrays = [("logits", f32s("(15, 3)", &logits)), ("labels", i64s("(15,)", &labels))];
        write(&folder, "part.npz", npz(&arrays, false));
        let part = mbls(&folder, "eval @/part.npz --no-intervals --format json").json();
        let group = &found["groups"][index];
        assert_eq!(group["samples"], 15);
        for key in ["accuracy", "ece", "nll", "cece", "smece"] {
            assert_eq!(group["metrics"][key].as_f64(), Some(value(&part, key)), "{name}: {key}");
        }
        if value(&part, "ece") > worst.0 {
            worst = (value(&part, "ece"), name);
        }
    }
    assert_eq!(found["worst"], worst.1);
    let table = mbls(&folder, "eval @/groups.npz --group-by site --resamples 20").out;
    assert!(table.contains(&format!("worst ece: site = {}", worst.1)), "{table}");
}

#[test]
fn groups_of_a_text_file_are_texts() {
    let folder = TempDir::new().unwrap();
    let lines = "confidence,correct,city\n0.75,1,Rome\n0.75,0,Oslo\n0.75,1,Rome\n";
    write(&folder, "x.csv", lines);
    let json = mbls(&folder, "eval @/x.csv --group-by city --no-intervals --format json").json();
    assert_eq!(json["groups"]["worst"], "Oslo");
    assert_eq!(json["groups"]["groups"][1]["metrics"]["accuracy"], 1.0);
}
