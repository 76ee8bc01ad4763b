use crate::program::{f32s, folder, i64s, mbls, npz, rows, write};
use mbls_cli::Exit;

#[test]
fn merged_states_have_the_bits_of_one_pass() {
    let folder = folder();
    let (logits, labels) = rows();
    for options in ["", " --binning equal-mass --bins 7 --convention reference --nll-epsilon 1e-9"]
    {
        let mut states = String::new();
        for (part, range) in [0..1, 1..25, 25..60].into_iter().enumerate() {
            let shape = format!("({}, 3)", range.len());
            let arrays = [
                ("logits", f32s(&shape, &logits[range.start * 3..range.end * 3])),
                ("labels", i64s(&format!("({},)", range.len()), &labels[range])),
            ];
            write(&folder, "part.npz", npz(&arrays, false));
            let save =
                format!("eval @/part.npz --no-intervals --save-state @/{part}.json{options}");
            assert_eq!(mbls(&folder, &save).exit, Exit::Fine);
            states += &format!(" @/{part}.json");
        }
        let merged =
            mbls(&folder, &format!("merge{states} --format json --save-state @/all.json")).json();
        let whole =
            mbls(&folder, &format!("eval @/rows.npz --no-intervals --format json{options}")).json();
        for key in ["metrics", "samples", "classes"] {
            assert_eq!(merged[key], whole[key]);
        }
        let again = mbls(&folder, "merge @/all.json --format json").json();
        assert_eq!(again["metrics"], whole["metrics"]);
    }
}

#[test]
fn states_of_confidences_merge() {
    let folder = folder();
    write(&folder, "0.csv", "true_label,pred_label,confidence\n0,0,0.9\n1,0,0.75\n");
    write(&folder, "1.csv", "true_label,pred_label,confidence\n1,1,0.5\n");
    write(&folder, "2.csv", "true_label,pred_label,confidence\n1,1,0.5\n0,0,0.9\n1,0,0.75\n");
    for part in ["0", "1"] {
        let save = format!("eval @/{part}.csv --no-intervals --save-state @/{part}.json");
        assert_eq!(mbls(&folder, &save).exit, Exit::Fine);
    }
    let merged = mbls(&folder, "merge @/0.json @/1.json --format json").json();
    let whole = mbls(&folder, "eval @/2.csv --no-intervals --format json").json();
    assert_eq!(merged["metrics"], whole["metrics"]);
}

#[test]
fn states_that_do_not_fit_are_refused() {
    let folder = folder();
    let save = |name: &str, options: &str| {
        let save = format!("eval @/rows.npz --no-intervals --save-state @/{name}{options}");
        assert_eq!(mbls(&folder, &save).exit, Exit::Fine);
    };
    save("a.json", "");
    save("b.json", " --bins 10");
    write(&folder, "c.json", "{\"schema\": 1}");
    let text = std::fs::read_to_string(folder.path().join("a.json")).unwrap();
    write(&folder, "settings.json", text.replacen("\"bins\":15", "\"bins\":14", 1));
    write(&folder, "schema.json", text.replacen("mbls-state/1", "mbls-state/9", 1));
    write(&folder, "cut.json", &text[..text.len() / 2]);
    for (states, part) in [
        ("@/a.json @/b.json", "b.json"),
        ("@/c.json", "c.json"),
        ("@/settings.json", "settings"),
        ("@/schema.json", "mbls-state/9"),
        ("@/cut.json", "cut.json"),
        ("@/rows.npz", "rows.npz"),
        ("@/absent.json", "absent.json"),
    ] {
        let ran = mbls(&folder, &format!("merge {states}"));
        assert_eq!((ran.exit, &*ran.out), (Exit::BadInput, ""), "{states}");
        assert!(
            ran.messages.contains(part) && ran.messages.lines().count() == 1,
            "{}",
            ran.messages
        );
    }
    let two = mbls(&folder, "eval @/rows.npz @/rows.npz --no-intervals --save-state @/x.json");
    assert_eq!(two.exit, Exit::BadInput);
}
