//! User-supplied images, from files to report: split, transformed, mixed, trained from pretrained
//! weights, tested under distribution shift.

use crate::support::{
    check_test_metrics, fail, kill_after, predict, predicting, program, results, run, tensors, text,
};
use candle_core::{DType, Device};
use mbls_nn::ParamStore;
use mbls_vision::model::{Architecture, Options};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Images of two classes, dark and bright, of several sizes.
fn write_images(folder: &Path, per_class: usize) {
    for (class, level) in [("bright", 200usize), ("dark", 40)] {
        let folder = folder.join(class);
        std::fs::create_dir_all(&folder).expect("a folder");
        for i in 0..per_class {
            let (width, height) = (10 + i % 3, 12 + i % 2);
            let header = format!("P6 {width} {height} 255\n").into_bytes();
            let pixels = (0..3 * width * height).map(|at| (level + (i * 31 + at * 7) % 40) as u8);
            std::fs::write(
                folder.join(format!("{i:03}.ppm")),
                header.into_iter().chain(pixels).collect::<Vec<_>>(),
            )
            .expect("an image");
        }
    }
}

/// A suite of such images, with an addition to its recipe.
fn suite(folder: &Path, recipe: &str) -> PathBuf {
    let path = folder.join("own.toml");
    let text = format!(
        r#"
        name = "own"
        title = "Own"
        description = "Dark and bright."
        model = "small-cnn"
        data = {{ kind = "imagefolder" }}
        shift = {{ pictures = 5, corruptions = true }}
        [recipe]
        batch_size = 4
        learning_rate = 0.05
        schedule = {{ kind = "cosine" }}
        optimizer = {{ kind = "sgd", momentum = 0.9 }}
        bins = 5
        transforms = [{{ kind = "random-resized-crop", size = 8 }}, {{ kind = "horizontal-flip" }}]
        test_transforms = [{{ kind = "resize", size = [8, 8] }}]
        {recipe}
        [profile.default]
        epochs = 3
        seeds = 1
        train = 1.0
        validation = 0.25
        test = 0.25
        [[loss]]
        id = "ce"
        title = "Cross-entropy"
        spec = {{ kind = "cross-entropy" }}
        [[loss]]
        id = "mbls"
        title = "MbLS"
        spec = {{ kind = "margin", margin = 2.0, alpha = 0.1 }}
        "#
    );
    std::fs::write(&path, text).expect("a file");
    path
}

fn bench(suite: &Path, data: &Path, out: &Path) -> Command {
    let [suite, data, out] = [suite, data, out].map(|path| path.to_str().expect("UTF-8"));
    program(&["bench", suite, "--data", data, "--out", out, "--device", "cpu"])
}

#[test]
fn a_folder_becomes_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    write_images(&data, 12);
    let suite = suite(folder.path(), "mix = { kind = \"cutmix\", alpha = 1.0 }\ndropout = 0.2");
    run(bench(&suite, &data, &out));
    let found = results(&out);
    let cells = found["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 2);
    for cell in cells {
        assert_eq!(
            (cell["n"].as_u64(), cell["shift"]["pictures"].as_u64()),
            (Some(6), Some(5)),
            "{cell}"
        );
        let corrupted = cell["shift"]["corrupted"].as_array().expect("corrupted");
        assert_eq!(corrupted.len(), 21, "uncorrupted, and four corruptions of five severities");
        assert_eq!(
            (corrupted[0]["kind"].as_str(), corrupted[0]["severity"].as_u64()),
            (Some("none"), Some(0))
        );
        assert!(
            corrupted
                .iter()
                .all(|test| test["ece"].as_f64().is_some_and(|ece| (0.0..=1.0).contains(&ece)))
        );
    }
    let report = std::fs::read_to_string(out.join("report.html")).expect("a report");
    assert!(
        report.contains("ECE under corruption") && report.contains("gaussian-blur"),
        "no table in {report}"
    );

    // Neither the number of threads nor a deleted shift result changes the results.
    let (other, shift) =
        (folder.path().join("other"), out.join("own/small-cnn/ce/seed-0/shift.json"));
    let mut command = bench(&suite, &data, &other);
    run({
        command.args(["--workers", "3", "--jobs", "1", "--cache-mib", "0"]);
        command
    });
    assert_eq!(results(&other), found);
    assert!(tensors(&other) == tensors(&out), "checkpoints or predictions differ");
    std::fs::remove_file(&shift).expect("a file");
    run(bench(&suite, &data, &out));
    assert!(shift.exists());
    assert_eq!(results(&out), found);
}

#[test]
fn official_parts_are_used_unchanged() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    for (part, per_class) in [("train", 8), ("val", 3), ("test", 5)] {
        write_images(&data.join(part), per_class);
    }
    run(bench(&suite(folder.path(), ""), &data, &out));
    let found = results(&out);
    assert!(
        found["cells"].as_array().expect("cells").iter().all(|cell| cell["n"] == 10),
        "{found}"
    );
    // All parts must have the same classes.
    std::fs::rename(data.join("val/dark"), data.join("val/darker")).expect("a folder");
    let text = fail(bench(&suite(folder.path(), ""), &data, &folder.path().join("again")));
    assert!(text.contains("darker") && text.contains("\"dark\""), "{text}");
}

#[test]
fn an_undecodable_image() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    write_images(&data, 12);
    std::fs::write(data.join("dark/004.ppm"), "").expect("a file");
    let suite = suite(folder.path(), "");
    let text_of_failure = fail(bench(&suite, &data, &out));
    assert!(text_of_failure.contains("004.ppm"), "{text_of_failure}");
    let mut command = bench(&suite, &data, &out);
    command.arg("--skip-undecodable");
    let said = text(&run(command));
    assert!(said.contains("1 images cannot be decoded") && said.contains("004.ppm"), "{said}");
}

#[test]
fn pretrained_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out, weights) = (
        folder.path().join("data"),
        folder.path().join("out"),
        folder.path().join("weights.safetensors"),
    );
    write_images(&data, 12);
    let architecture: Architecture = "resnet20".parse().expect("a model");
    let store = ParamStore::new(5, DType::F32, &Device::Cpu);
    architecture.build(7, [3, 8, 8], Options::default(), store.var_builder()).expect("a network");
    store.save(&weights).expect("a file");
    let suite = suite(folder.path(), "");
    let from = |file: &Path, out: &Path, model: &str| {
        let mut command = bench(&suite, &data, out);
        command.args(["--epochs", "1", "--loss", "ce", "--model", model, "--pretrained"]).arg(file);
        command
    };
    let said = text(&run(from(&weights, &out, "resnet20")));
    assert!(said.contains("95 taken from the checkpoint; fc as initialised"), "{said}");
    // With other weights it is another training.
    let mut other = bench(&suite, &data, &out);
    other.args(["--epochs", "1", "--loss", "ce", "--model", "resnet20"]);
    assert!(fail(other).contains("identity"));
    let other_out = folder.path().join("other");
    let said = fail(from(&weights, &other_out, "resnet32"));
    assert!(said.contains("weights.safetensors do not fit the network"), "{said}");
    let said = fail(from(&folder.path().join("none.pth"), &other_out, "resnet20"));
    assert!(said.contains("none.pth"), "{said}");
}

#[test]
fn sizes_and_transforms_that_do_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    write_images(&data, 12);
    let changed = |from: &str, to: &str| {
        let path = suite(folder.path(), "");
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(text.contains(from));
        std::fs::write(&path, text.replacen(from, to, 1)).expect("a file");
        fail(bench(&path, &data, &out))
    };
    for (from, to, part) in [
        ("train = 1.0", "train = 13", "train = 13: there are 12 samples"),
        ("validation = 0.25", "validation = 0.0", "profile.default"),
        ("test = 0.25", "test = 0.25\nsplit = \"published\"", "has no test part"),
        ("[{ kind = \"resize\", size = [8, 8] }]", "[]", "recipe.test_transforms"),
        (
            "[{ kind = \"resize\", size = [8, 8] }]",
            "[{ kind = \"resize\", size = 0 }]",
            "recipe.test_transforms",
        ),
        ("pictures = 5", "pictures = 0", "pictures = 0: expected"),
        ("\"small-cnn\"", "\"small-cnm\"", "small-cnm"),
    ] {
        let said = changed(from, to);
        assert!(said.contains("own.toml") && said.contains(part), "{to}: {said}");
    }
}

/// Writes an idx file of `u8` with dimensions `sizes`.
fn idx(path: &Path, sizes: &[u32], values: impl Iterator<Item = u8>) {
    let header = [0, 0, 8, sizes.len() as u8]
        .into_iter()
        .chain(sizes.iter().flat_map(|size| size.to_be_bytes()));
    std::fs::write(path, header.chain(values).collect::<Vec<_>>()).expect("a file");
}

/// Small data sets in the formats of MNIST and Fashion-MNIST.
fn idx_sets(data: &Path) {
    for (name, step) in [("mnist", 7), ("fashion-mnist", 11)] {
        let folder = data.join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        for (part, count) in [("train", 60u32), ("t10k", 20)] {
            let pixels = (0..count as usize * 784).map(|at| (at * step % 251) as u8);
            idx(&folder.join(format!("{part}-images-idx3-ubyte")), &[count, 28, 28], pixels);
            idx(
                &folder.join(format!("{part}-labels-idx1-ubyte")),
                &[count],
                (0..count).map(|i| (i % 10) as u8),
            );
        }
    }
}

/// The recipe of MNIST on such a data set, with an addition to the suite.
fn of_mnist(folder: &Path, data: &str, added: &str) -> PathBuf {
    let mnist = include_str!("../../../suites/mnist.toml");
    let start = mnist.find("[profile.local]").expect("a profile");
    assert!(mnist.contains("kind = \"mnist\"") && mnist.contains("batch_size = "));
    let text = format!(
        "{}{added}\n[profile.default]\nepochs = 1\nseeds = 1\ntrain = 40\nvalidation = 20\ntest = 20\n[[loss]]\nid = \"ce\"\n\
         title = \"CE\"\nspec = {{ kind = \"cross-entropy\" }}\n",
        &mnist[..start]
    );
    let path = folder.join("shifted.toml");
    let text = text.replace("name = \"mnist\"", "name = \"shifted\"");
    let text = text.replace("kind = \"mnist\"", data).replace("batch_size = ", "batch_size = 8 #");
    std::fs::write(&path, text).expect("a file");
    path
}

#[test]
fn ood_images_are_detected() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    idx_sets(&data);
    let shift =
        "[shift]\npictures = 15\noutside = [{ kind = \"fashion-mnist\" }, { kind = \"svhn\" }]";
    let path = of_mnist(folder.path(), "kind = \"mnist\"", shift);
    let said = crate::support::text(&run(bench(&path, &data, &out)));
    assert!(said.contains("OOD detection skips svhn"), "{said}");
    let found = results(&out);
    let outside = found["cells"][0]["shift"]["outside"].as_array().expect("outside");
    assert_eq!(outside.len(), 1, "{found}");
    assert_eq!(
        (outside[0]["data"].as_str(), outside[0]["pictures"].as_u64()),
        (Some("fashion-mnist"), Some(15))
    );
    for name in ["auroc_confidence", "auroc_entropy", "fpr95_confidence", "fpr95_entropy"] {
        assert!(
            outside[0][name].as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)),
            "{name}: {found}"
        );
    }
    assert!(said.contains("**Out-of-distribution detection**"), "{said}");
}

/// candle-datasets loads the same data as this project's own reader, so training gives identical
/// bytes.
#[cfg(feature = "candle-datasets")]
#[test]
fn candle_datasets_trains_to_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    idx_sets(&data);
    let trained = |name: &str, spec: &str| {
        let out = folder.path().join(name);
        run(bench(&of_mnist(folder.path(), spec, ""), &data, &out));
        std::fs::read(out.join("shifted/small-cnn/ce/seed-0/predictions.safetensors"))
            .expect("predictions")
    };
    let candle = "kind = \"candle-datasets\"\nset = \"mnist\"\nfrom = \"folder\"";
    let ours = trained("ours", "kind = \"mnist\"");
    assert!(trained("candle", candle) == ours);
    std::fs::write(data.join("mnist/train-labels-idx1-ubyte"), [0, 0, 8, 1]).expect("a file");
    let said = fail(bench(&of_mnist(folder.path(), candle, ""), &data, &folder.path().join("out")));
    assert!(said.contains("Error: mnist from"), "{said}");
}

/// The data of a suite that reads images from the Hugging Face Hub.
const HUB: &str = "kind = \"candle-datasets\"\nset = \"cifar10\"\nfrom = \"hub\"";

/// The repository's copy of the hub's cache has too few images to train on; the error counts them.
#[cfg(feature = "candle-datasets")]
#[test]
fn a_suite_reads_images_from_the_hub() {
    let folder = tempfile::tempdir().expect("a folder");
    let suite = of_mnist(folder.path(), HUB, "");
    let mut command = bench(&suite, folder.path(), &folder.path().join("out"));
    let cache = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/candle-datasets/hub");
    command.env("HF_HUB_CACHE", cache).env("HF_ENDPOINT", "http://127.0.0.1:9");
    let said = fail(command);
    assert!(said.contains("validation = 20: there are 4 samples"), "{said}");
}

#[cfg(not(feature = "candle-datasets"))]
#[test]
fn a_program_without_candle_datasets_says_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let suite = of_mnist(folder.path(), HUB, "");
    let said = fail(bench(&suite, folder.path(), &folder.path().join("out")));
    assert!(said.contains("built without the feature candle-datasets"), "{said}");
}

/// From a folder of images to a network in use: trained, killed, resumed, used for predictions,
/// exported, trained further.
#[test]
fn a_trained_network_classifies_images() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    for (part, count) in [("train", 12), ("val", 6), ("test", 7)] {
        write_images(&data.join(part), count);
    }
    let suite = suite(folder.path(), "");
    let text = std::fs::read_to_string(&suite).expect("a suite");
    let text = text
        .replace("shift = { pictures = 5, corruptions = true }", "")
        .replace("epochs = 3", "epochs = 40");
    std::fs::write(&suite, text).expect("a suite");
    let cell = out.join("own/small-cnn/ce/seed-0");
    kill_after(bench(&suite, &data, &out), &cell.join("events.jsonl"), 3);
    run(bench(&suite, &data, &out));
    let result: Value =
        serde_json::from_slice(&std::fs::read(cell.join("result.json")).expect("a file"))
            .expect("JSON");

    let test = data.join("test");
    let answers = predict(&cell, &[test.to_str().expect("UTF-8")]);
    assert_eq!(answers.len(), 14);
    let class =
        |answer: &Value| u32::from(answer["input"].as_str().expect("a name").contains("dark"));
    check_test_metrics(&answers, &answers.iter().map(class).collect::<Vec<_>>(), &result["cell"]);
    assert!(
        answers
            .iter()
            .all(|answer| answer["adaptation"].is_null() && answer["bin"]["count"].is_u64())
    );

    // Sentences and CSV; a file that is not an image is reported, and the others are classified.
    let (image, broken) = (test.join("dark/000.ppm"), folder.path().join("broken.png"));
    std::fs::write(&broken, "no image").expect("a file");
    let [image, broken] = [&image, &broken].map(|path| path.to_str().expect("UTF-8"));
    let said = fail(predicting(&cell, &[image, broken, image, "--abstain-below", "0.999"]));
    assert_eq!(said.matches("000.ppm: ").count(), 2, "{said}");
    for part in [
        "0 of 2 answers withheld",
        "test images with a confidence of",
        "broken.png: content: expected an image",
        "of 14 test samples",
        "1 of 3 inputs failed",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let table =
        run(predicting(&cell, &[image, "--csv", "--calibrator", "best", "--ood", "confidence"]));
    let mut rows = csv::Reader::from_reader(table.stdout.as_slice());
    let header = rows.headers().expect("a header").clone();
    let row = rows.records().next().expect("a row").expect("a row");
    let cell_of = |name: &str| {
        row.get(header.iter().position(|found| found == name).expect(name)).expect(name)
    };
    assert_eq!((cell_of("input"), cell_of("name")), (image, "dark"));
    assert!(cell_of("probability of dark").parse::<f64>().expect("a number") > 0.5);

    // Errors.
    let empty = folder.path().display().to_string();
    for (arguments, part) in [
        (vec![], "INPUT: expected images"),
        (vec!["none.png"], "none.png: no such file or folder"),
        (vec![image, "--abstain-below", "0.12345"], "--abstain-below"),
        (vec![image, "--text", "a day"], "--text and --text-column: does not apply to the network"),
        (vec![image, "--out", &empty], "--out: does not apply to the network"),
        (vec![image, "--json", "--csv"], "cannot be used with"),
    ] {
        let said = fail(predicting(&cell, &arguments));
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = fail(predicting(&out, &[image]));
    assert!(
        said.contains("runs with a network") && said.contains("own/small-cnn/ce/seed-0"),
        "{said}"
    );
    let said = fail(predicting(&test, &[image]));
    assert!(said.contains("no trained network: expected the folder of a finished run"), "{said}");

    // Export, and training from the exported weights.
    let exported = folder.path().join("exported");
    run(program(&[
        "export",
        cell.to_str().expect("UTF-8"),
        "--out",
        exported.to_str().expect("UTF-8"),
    ]));
    let settings: Value =
        serde_json::from_slice(&std::fs::read(exported.join("model.json")).expect("a file"))
            .expect("JSON");
    assert_eq!(settings["calibration"]["classes"], serde_json::json!(["bright", "dark"]));
    assert_eq!(settings["calibration"]["temperature"], result["cell"]["metrics"]["temperature"]);
    let tensors = candle_core::safetensors::load(exported.join("model.safetensors"), &Device::Cpu)
        .expect("tensors");
    assert_eq!(tensors["bn1.num_batches_tracked"].to_scalar::<i64>().expect("a count"), 0);
    for (i, weights) in
        [cell.join("best.safetensors"), exported.join("model.safetensors")].iter().enumerate()
    {
        let mut again = bench(&suite, &data, &folder.path().join(format!("again-{i}")));
        again.args([
            "--loss",
            "ce",
            "--epochs",
            "1",
            "--pretrained",
            weights.to_str().expect("UTF-8"),
        ]);
        let said = crate::support::text(&run(again));
        assert!(said.contains("17 taken from the checkpoint"), "{said}");
    }
}
