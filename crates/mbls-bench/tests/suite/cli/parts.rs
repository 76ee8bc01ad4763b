//! Parts and classes of user-supplied data: detection, counts and rejections.

use crate::support::{fail, program, results, run, text};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Creates the given number of 8 x 8 images of each class, in one folder per class.
fn images(folder: &Path, classes: &[&str], each: usize) {
    for (c, class) in classes.iter().enumerate() {
        let folder = folder.join(class);
        std::fs::create_dir_all(&folder).expect("a folder");
        for i in 0..each {
            let pixels = (0..64).map(|at| (c * 90 + (i * 31 + at * 7) % 60) as u8);
            let file = b"P5 8 8 255\n".iter().copied().chain(pixels).collect::<Vec<_>>();
            std::fs::write(folder.join(format!("{i:03}.pgm")), file).expect("an image");
        }
    }
}

const CLASSES: [&str; 2] = ["bright", "dark"];

fn suite(folder: &Path, data: &str, model: &str, recipe: &str) -> PathBuf {
    let path = folder.join("own.toml");
    let text = format!(
        r#"
        name = "own"
        title = "Own"
        description = "Small."
        model = "{model}"
        data = {{ {data} }}
        [recipe]
        batch_size = 4
        learning_rate = 0.05
        schedule = {{ kind = "constant" }}
        optimizer = {{ kind = "sgd" }}
        bins = 5
        {recipe}
        [profile.default]
        epochs = 1
        seeds = 1
        train = 1.0
        validation = 0.25
        test = 0.25
        [[loss]]
        id = "ce"
        title = "Cross-entropy"
        spec = {{ kind = "cross-entropy" }}
        "#
    );
    std::fs::write(&path, text).expect("a file");
    path
}

fn folders(folder: &Path, data: &str) -> PathBuf {
    let resize = "[{ kind = \"resize\", size = [8, 8] }]";
    suite(folder, data, "small-cnn", &format!("transforms = {resize}\ntest_transforms = {resize}"))
}

fn texts(folder: &Path) -> PathBuf {
    let recipe = "[recipe.text]\nrule = \"unicode\"\nnum_words = 20\nlength = 8\ndimension = 4";
    suite(folder, "kind = \"textfile\"", "text-cnn", recipe)
}

fn bench(suite: &Path, data: &Path, out: &Path) -> Command {
    let [suite, data, out] = [suite, data, out].map(|path| path.to_str().expect("UTF-8"));
    program(&["bench", suite, "--data", data, "--out", out, "--device", "cpu"])
}

/// Folders with other usual names are recognised as parts, and unused ones are listed.
#[test]
fn parts_are_recognised_by_any_usual_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    images(&data.join("Train"), &CLASSES, 8);
    images(&data.join("valid"), &CLASSES, 3);
    images(&data.join("TEST"), &CLASSES, 5);
    std::fs::create_dir(data.join("extra")).expect("a folder");
    std::fs::write(data.join("README.md"), "what this is").expect("a file");
    let suite = folders(folder.path(), "kind = \"imagefolder\"");
    let said = text(&run(bench(&suite, &data, &out)));
    assert!(said.contains("not used: extra, README.md"), "{said}");
    let table = "| Class | Training | Validation | Test |\n|---|---:|---:|---:|\n| bright | 8 | 3 | 5 |\n| dark | 8 | 3 | 5 |";
    // The table is printed before training and in the report.
    assert_eq!(said.matches(table).count(), 2, "{said}");
    let found = results(&out);
    assert_eq!(found["cells"][0]["n"], 10, "{found}");
    assert_eq!(
        found["data"][0]["counts"]["train"]["classes"],
        serde_json::json!([8, 8]),
        "{found}"
    );
    let page = std::fs::read_to_string(out.join("report.html")).expect("a report");
    assert!(
        page.contains("not used: extra, README.md") && page.contains("Data: images of each class"),
        "{page}"
    );
}

#[test]
fn ambiguous_part_folders_are_rejected_unless_the_suite_decides() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let suite = folders(folder.path(), "kind = \"imagefolder\"");
    for (made, part) in [
        (&["train", "train2017"][..], "train2017: rename it"),
        (&["train", "val", "validation"], "one for the validation part, found val and validation"),
        (&["train", "Train"], "one for the train part, found Train and train"),
        (
            &["bus", "car", "test"],
            "the folder test looks like a part, but there is no training part",
        ),
        (&["train", "eval"], "eval: rename it"),
    ] {
        let data = folder.path().join(format!("data-{}", made.join("-")));
        made.iter().for_each(|name| images(&data.join(name), &CLASSES, 8));
        let said = fail(bench(&suite, &data, &out));
        assert!(said.contains(part) && said.contains("data.parts"), "{made:?}: {said}");
    }
    // Classes with the names of parts.
    let data = folder.path().join("vehicles");
    images(&data, &["bus", "test", "train"], 12);
    let said = fail(bench(&suite, &data, &out));
    assert!(said.contains("data.parts = \"none\""), "{said}");
    let classes = folders(folder.path(), "kind = \"imagefolder\", parts = \"none\"");
    run(bench(&classes, &data, &out));
    assert_eq!(
        results(&out)["data"][0]["counts"]["names"],
        serde_json::json!(["bus", "test", "train"])
    );
}

#[test]
fn unused_text_files_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    std::fs::create_dir(&data).expect("a folder");
    let file = |name: &str, count: usize| {
        let words = ["warm", "cold"];
        let rows =
            (0..count).map(|i| format!("{},{} number {i}\n", ["good", "bad"][i % 2], words[i % 2]));
        std::fs::write(data.join(name), format!("label,text\n{}", rows.collect::<String>()))
            .expect("a file");
    };
    [("Train.csv", 24), ("dev.CSV", 8), ("test.csv", 6), ("more.csv", 9)]
        .iter()
        .for_each(|&(name, n)| file(name, n));
    let suite = texts(folder.path());
    let said = text(&run(bench(&suite, &data, &out)));
    assert!(said.contains("not used: more.csv"), "{said}");
    assert!(
        said.contains(
            "training uses 16 of 24 texts: the others are copies of validation or test texts"
        ),
        "{said}"
    );
    let counts = &results(&out)["data"][0]["counts"];
    assert_eq!(counts["validation"]["classes"], serde_json::json!([4, 4]), "{counts}");
    assert_eq!(counts["counted"], "texts");
    // A part split into several files.
    std::fs::rename(data.join("more.csv"), data.join("train-00001-of-00002.csv")).expect("a file");
    let said = fail(bench(&suite, &data, &out));
    assert!(said.contains("train-00001-of-00002.csv: rename it"), "{said}");
    std::fs::rename(data.join("train-00001-of-00002.csv"), data.join("validation.tsv"))
        .expect("a file");
    let said = fail(bench(&suite, &data, &out));
    assert!(
        said.contains("one for the validation part, found dev.CSV and validation.tsv"),
        "{said}"
    );
}

#[test]
fn a_training_part_smaller_than_a_batch_is_rejected() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    images(&data, &CLASSES, 3);
    let suite = folders(folder.path(), "kind = \"imagefolder\"");
    let text = std::fs::read_to_string(&suite)
        .expect("a file")
        .replace("batch_size = 4", "batch_size = 5");
    std::fs::write(&suite, text).expect("a file");
    let said = fail(bench(&suite, &data, &out));
    assert!(
        said.contains("the training part has 2 samples, fewer than the 5 of one batch"),
        "{said}"
    );
}

/// A class that is only in the training part gives a warning, also in the report.
#[test]
fn a_class_without_test_samples_is_a_warning() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    images(&data.join("train"), &["bright", "dark", "grey"], 8);
    images(&data.join("test"), &CLASSES, 5);
    let suite = folders(folder.path(), "kind = \"imagefolder\"");
    let said = text(&run(bench(&suite, &data, &out)));
    let warning = "Warning: the test part has no images of 1 of 3 classes: \"grey\"";
    assert!(said.contains(warning), "{said}");
    let page = std::fs::read_to_string(out.join("report.html")).expect("a report");
    assert!(page.contains("the test part has no images of 1 of 3 classes"), "{page}");
}

/// Facts about user-supplied images are printed before training and are in the report.
#[test]
fn sizes_imbalance_and_enlargement_are_reported_before_training() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    images(&data, &["bright"], 64);
    images(&data, &["dark"], 16);
    let suite = folders(folder.path(), "kind = \"imagefolder\"");
    let text_of_suite = std::fs::read_to_string(&suite)
        .expect("a file")
        .replace("size = [8, 8]", "size = [20, 24]");
    std::fs::write(&suite, text_of_suite).expect("a file");
    let said = text(&run(bench(&suite, &data, &out)));
    let facts = [
        "80 images: height 8, width 8; 1 channel",
        "no --pretrained: the network starts from random weights",
        "Warning: the classes of the training part are imbalanced: 32 images of \"bright\", 8 of \"dark\" (4.0 to 1)",
        "Warning: 80 of 80 images are enlarged to more than twice their size (up to 3.0 times)",
    ];
    let page =
        std::fs::read_to_string(out.join("report.html")).expect("a report").replace("&quot;", "\"");
    for fact in facts {
        assert!(said.contains(fact), "{fact}: {said}");
        assert!(page.contains(fact), "{fact} in {page}");
    }
}

/// The error names the class, its number of samples, and possible remedies.
#[test]
fn a_class_too_small_to_split_is_named_with_remedies() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    images(&data, &CLASSES, 12);
    images(&data, &["rare"], 2);
    let said = fail(bench(&folders(folder.path(), "kind = \"imagefolder\""), &data, &out));
    for part in [
        "class 2 (rare) has 2 items, fewer than the 3 parts",
        "add images, remove the class, or split the data yourself (folders train, val and test)",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
}
