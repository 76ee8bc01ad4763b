//! User-supplied images with masks, from files to report: split, transformed, trained, evaluated,
//! drawn.

use crate::support::{fail, kill_after, predict, predicting, program, results, run, tensors, text};
use candle_core::Device;
use mbls_core::metric::Metric;
use mbls_seg::CalibratedSegmenter;
use mbls_seg::dataset::decode_mask;
use mbls_seg::metric::{SegmentationMetrics, SegmentationSettings, SegmentedImages};
use mbls_vision::decode;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

const SIDE: usize = 64;

fn png(path: &Path, colour: png::ColorType, pixels: &[u8]) {
    let file = std::fs::File::create(path).expect("a file");
    let mut encoder = png::Encoder::new(file, SIDE as u32, SIDE as u32);
    encoder.set_color(colour);
    encoder
        .write_header()
        .and_then(|mut writer| writer.write_image_data(pixels))
        .expect("an image");
}

/// Images of a bright half on a dark ground, with the ground as class 0; in every fourth image all
/// pixels are void.
fn write_images(folder: &Path, lists: &[(&str, usize)]) {
    let [images, masks, sets] =
        ["JPEGImages", "SegmentationClass", "ImageSets/Segmentation"].map(|part| folder.join(part));
    [&images, &masks, &sets]
        .into_iter()
        .for_each(|part| std::fs::create_dir_all(part).expect("a folder"));
    std::fs::write(folder.join("classes.txt"), "0 ground\n1 thing\n").expect("a file");
    for &(list, count) in lists {
        let names: Vec<String> = (0..count).map(|i| format!("{list}{i}")).collect();
        std::fs::write(sets.join(format!("{list}.txt")), names.join("\n") + "\n").expect("a file");
        for (i, name) in names.iter().enumerate() {
            let edge = 16 + (i * 7) % 32;
            let thing = |pixel: usize| pixel % SIDE > edge;
            let level = |pixel: usize| {
                (if thing(pixel) { 180 } else { 50 }) + ((pixel * 31 + i * 17) % 50) as u8
            };
            let class = |pixel: usize| match i % 4 {
                3 => 255,
                _ if pixel < SIDE => 255,
                _ => u8::from(thing(pixel)),
            };
            let all = 0..SIDE * SIDE;
            let rgb: Vec<u8> =
                all.clone().flat_map(|pixel| [level(pixel), level(pixel), 90]).collect();
            png(&images.join(format!("{name}.png")), png::ColorType::Rgb, &rgb);
            png(
                &masks.join(format!("{name}.png")),
                png::ColorType::Grayscale,
                &all.map(class).collect::<Vec<_>>(),
            );
        }
    }
}

/// A suite of such images, with one change.
fn suite(folder: &Path, from: &str, to: &str) -> PathBuf {
    let path = folder.join("masks.toml");
    let text = r#"
        name = "masks"
        title = "Masks"
        description = "A bright half."
        model = "unet-r18"
        data = { kind = "vocfolder" }
        [recipe]
        batch_size = 1
        learning_rate = 0.05
        schedule = { kind = "reduce-on-plateau", metric = "miou", settings = { mode = "max" } }
        optimizer = { kind = "sgd" }
        bins = 5
        [recipe.segmentation]
        transforms = [{ kind = "horizontal-flip" }]
        maps = 2
        [profile.default]
        epochs = 1
        seeds = 1
        train = 1.0
        validation = 0.25
        test = 0.25
        [[loss]]
        id = "ce"
        title = "Cross-entropy"
        spec = { kind = "cross-entropy" }
        [[loss]]
        id = "svls"
        title = "SVLS"
        spec = { kind = "spatial-label-smoothing", sigma = 1.0 }
        [[loss]]
        id = "neighbour"
        title = "Neighbour"
        spec = { kind = "neighbour-penalty", alpha = 0.1 }
        [[loss]]
        id = "cals"
        title = "CALS-ALM"
        spec = { kind = "class-adaptive", margin = 2.0 }
    "#;
    assert!(text.contains(from), "{from}");
    std::fs::write(&path, text.replacen(from, to, 1)).expect("a file");
    path
}

fn bench(suite: &Path, data: &Path, out: &Path) -> Command {
    let [suite, data, out] = [suite, data, out].map(|path| path.to_str().expect("UTF-8"));
    program(&["bench", suite, "--data", data, "--out", out, "--device", "cpu"])
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn a_folder_becomes_a_report() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    write_images(&data, &[("train", 4), ("val", 2), ("test", 5)]);
    let suite = suite(folder.path(), "masks", "masks");
    let said = text(&run(bench(&suite, &data, &out)));
    let heads = "| Class | Share of pixels | Cross-entropy | SVLS (σ = 1) | Neighbour (α = 0.1, L1) | CALS-ALM (m = 2, PHR) |";
    for part in [
        "| Loss | mIoU % |",
        "ECE per batch %",
        "**IoU by class**",
        heads,
        "| thing | ",
        "**ECE of single images**",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains("Brier") && !said.contains("NaN"), "{said}");
    let found = results(&out);
    let cells = found["cells"].as_array().expect("cells");
    assert_eq!(cells.len(), 4);
    for cell in cells {
        assert_eq!(
            (cell["n"].as_u64(), cell["model"].as_str()),
            (Some(5), Some("unet-r18")),
            "{cell}"
        );
        let cell_folder =
            out.join("masks/unet-r18").join(cell["loss"].as_str().expect("a loss")).join("seed-0");
        // One of the training images is void, and a batch is one image.
        let log = std::fs::read_to_string(cell_folder.join("events.jsonl")).expect("a log");
        assert_eq!(log.matches("\"steps_without_loss\":1").count(), 1, "{log}");
        for map in [
            "test0.confidence.png",
            "test1.errors.png",
            "test0.image.png",
            "test1.mask.png",
            "test1.prediction.png",
        ] {
            assert!(cell_folder.join("maps").join(map).is_file(), "{map}");
        }
        assert_eq!(std::fs::read_dir(cell_folder.join("maps")).expect("maps").count(), 10);
        agrees(cell, &json(&cell_folder.join("evaluation.json")));
    }

    // Two images with their masks, and three maps for each of four losses.
    let page = std::fs::read_to_string(out.join("report.html")).expect("a report");
    let count = |part: &str| page.matches(part).count();
    assert_eq!(
        (count("src=\"data:image/jpeg;base64,"), count("src=\"data:image/png;base64,")),
        (2, 2 + 2 * 4 * 3)
    );
    assert!(
        page.contains("Test images") && page.contains("The first 2 of 5 test images"),
        "no images"
    );
    assert!(said.contains("Also in the HTML report: Test images."), "{said}");
    // The network has random weights, and the images have one size.
    assert!(said.contains("11 images: height 64, width 64; 3 channels"), "{said}");
    assert!(said.contains("no --pretrained: the network starts from random weights"), "{said}");

    // The number of threads does not change the result.
    let other = folder.path().join("other");
    let mut command = bench(&suite, &data, &other);
    command.args(["--workers", "3", "--jobs", "1", "--cache-mib", "0", "--loss", "svls"]);
    run(command);
    assert_eq!(results(&other)["cells"][0], found["cells"][1]);
    let place = Path::new("masks/unet-r18/svls/seed-0");
    assert_eq!(
        json(&other.join(place).join("evaluation.json")),
        json(&out.join(place).join("evaluation.json"))
    );
    assert!(tensors(&other.join(place)) == tensors(&out.join(place)), "checkpoints differ");
}

/// The state that a loss has learned from the validation data survives; a void image does not
/// change it.
#[test]
fn a_killed_run_with_a_loss_that_learns_ends_with_the_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    write_images(&data, &[("train", 4), ("val", 4), ("test", 2)]);
    let suite = suite(folder.path(), "epochs = 1", "epochs = 6");
    let [whole, killed] = ["whole", "killed"].map(|name| folder.path().join(name));
    let cals = |out: &Path| {
        let mut command = bench(&suite, &data, out);
        command.args(["--loss", "cals"]);
        command
    };
    run(cals(&whole));
    let cell = Path::new("masks/unet-r18/cals/seed-0");
    for epochs in [1, 3] {
        kill_after(cals(&killed), &killed.join(cell).join("events.jsonl"), epochs);
    }
    run(cals(&killed));
    assert_eq!(results(&killed), results(&whole));
    assert!(tensors(&killed) == tensors(&whole), "checkpoints differ");
    let last = candle_core::safetensors::load(
        whole.join(cell).join("last.safetensors"),
        &candle_core::Device::Cpu,
    );
    let state: Vec<f64> = last.expect("tensors")["loss.state"].to_vec1().expect("numbers");
    assert!(
        state.len() == 6 && state[..2].iter().any(|&multiplier| multiplier > 1e-6),
        "{state:?}"
    );
}

/// The metrics of a run agree with the results of its images and batches.
fn agrees(cell: &Value, evaluation: &Value) {
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("a number: {value}"));
    let array =
        |value: &Value| value.as_array().cloned().unwrap_or_else(|| panic!("an array: {value}"));
    let close = |name: &str, expected: f64| {
        let found = number(&cell["metrics"][name]);
        assert!((found - expected).abs() < 1e-12, "{name}: {found}, expected {expected}");
    };
    let images = array(&evaluation["pictures"]);
    assert_eq!(array(&evaluation["names"])[4], "test4");
    let mut counts = [0.0; 4];
    for image in &images {
        let of_image = array(&image["confusion"]["state"]["counts"]);
        counts.iter_mut().zip(&of_image).for_each(|(sum, count)| *sum += number(count));
    }
    // Four images, without their first rows.
    assert_eq!(counts.iter().sum::<f64>(), (4 * SIDE * (SIDE - 1)) as f64);
    let iou = |class: usize| counts[3 * class] / (counts[1] + counts[2] + counts[3 * class]);
    close("miou", (iou(0) + iou(1)) / 2.0);
    close("miou_published", iou(1));
    close("accuracy", (counts[0] + counts[3]) / counts.iter().sum::<f64>());
    // The void image is in no batch of the published protocol.
    let batches = array(&evaluation["batches"]);
    assert_eq!(
        (batches.len(), evaluation["before"]["published"]["empty_batches"].as_u64()),
        (4, Some(1))
    );
    let pixels: f64 = batches.iter().map(|batch| number(&batch["pixels"])).sum();
    let mean = |name: &str| {
        batches.iter().map(|b| number(&b["pixels"]) * number(&b[name])).sum::<f64>() / pixels
    };
    close("ece_per_batch", mean("ece"));
    close("ece_per_batch_scaled", mean("ece_scaled"));
    // The temperature was fitted on every validation pixel, because there are few.
    let validation = |name: &str| number(&cell["validation"][name]);
    assert!(validation("nll_scaled") < validation("nll"), "{cell}");
    assert_ne!(number(&cell["metrics"]["nll"]), number(&cell["metrics"]["nll_scaled"]));
    assert_eq!(number(&cell["metrics"]["temperature"]), number(&evaluation["temperature"]));
}

#[test]
fn missing_parts_are_split_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    write_images(&data, &[("train", 8)]);
    let suite = suite(folder.path(), "masks", "masks");
    let mut command = bench(&suite, &data, &out);
    command.args(["--loss", "ce"]);
    run(command);
    let found = results(&out);
    assert_eq!(found["cells"][0]["n"], 2, "{found}");
    let names = json(&out.join("masks/unet-r18/ce/seed-0/evaluation.json"))["names"].clone();
    assert_eq!(names.as_array().map(Vec::len), Some(2), "{names}");
}

/// Binary masks usually have the values 0 and 255; 255 is void unless it has a name.
#[test]
fn named_values_of_binary_masks_are_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    write_images(&data, &[("train", 4), ("val", 2), ("test", 3)]);
    for list in ["train", "val", "test"] {
        for i in 0..4 {
            let mask = data.join(format!("SegmentationClass/{list}{i}.png"));
            let values: Vec<u8> =
                (0..SIDE * SIDE).map(|at| if at % SIDE > 20 + i { 255 } else { 0 }).collect();
            png(&mask, png::ColorType::Grayscale, &values);
        }
    }
    let plain = suite(folder.path(), "masks", "masks");
    let said = fail(bench(&plain, &data, &out));
    let part = "the training part has no pixels of 1 of 2 classes: \"thing\"";
    assert!(said.contains(part) && said.contains("are void (value 255)"), "{said}");
    // Names in the suite, or in `classes.txt`.
    let named = suite(
        folder.path(),
        "data = { kind = \"vocfolder\" }",
        "data = { kind = \"vocfolder\", values = { 0 = \"ground\", 255 = \"thing\" } }",
    );
    let mut command = bench(&named, &data, &out);
    command.args(["--loss", "ce"]);
    let said = text(&run(command));
    assert!(said.contains("| ground | "), "{said}");
    assert!(
        said.contains(
            "masks: the values [0, 255] are the classes in order, the values [] are void"
        ),
        "{said}"
    );
    let found = results(&out);
    let counts = &found["data"][0]["counts"];
    assert_eq!(
        (counts["counted"].as_str(), counts["names"][1].as_str()),
        (Some("pixels"), Some("thing")),
        "{counts}"
    );
    let pixels: u64 = counts["test"]["classes"]
        .as_array()
        .expect("counts")
        .iter()
        .filter_map(Value::as_u64)
        .sum();
    assert_eq!(pixels, (3 * SIDE * SIDE) as u64, "{counts}");
    std::fs::write(data.join("classes.txt"), "0 ground\n255 thing\n").expect("a file");
    let other = folder.path().join("other");
    let mut command = bench(&suite(folder.path(), "masks", "masks"), &data, &other);
    command.args(["--loss", "ce"]);
    run(command);
    assert_eq!(results(&other)["data"], found["data"]);
    let wrong = suite(
        folder.path(),
        "{ kind = \"vocfolder\" }",
        "{ kind = \"vocfolder\", values = { 256 = \"thing\" } }",
    );
    let said = fail(bench(&wrong, &data, &other));
    assert!(
        said.contains("data.values") && said.contains("\"256\": expected a value of 0 to 255"),
        "{said}"
    );
}

#[test]
fn errors_name_what_does_not_fit() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out) = (folder.path().join("data"), folder.path().join("out"));
    write_images(&data, &[("train", 4), ("val", 2), ("test", 5)]);
    for (from, to, part) in [
        (
            "\"unet-r18\"",
            "\"resnet20\"",
            "the model resnet20 classifies images: expected one that classifies pixels",
        ),
        ("\"unet-r18\"", "\"unet-r19\"", "unet-r19"),
        ("metric = \"miou\"", "metric = \"brier\"", "expected one of miou, accuracy, nll, ece"),
        ("mode = \"max\"", "mode = \"min\"", "because higher miou is better"),
        ("bins = 5", "bins = 5\nflip = true", "recipe.flip: expected only for images with classes"),
        ("[recipe.segmentation]", "[recipe.segmantation]", "segmantation"),
        (
            "kind = \"horizontal-flip\"",
            "kind = \"random-crop\", size = 0",
            "recipe.segmentation.transforms",
        ),
        ("kind = \"horizontal-flip\"", "kind = \"random-crop\", size = 65", "65"),
        (
            "kind = \"vocfolder\"",
            "kind = \"imagefolder\"",
            "recipe.segmentation: expected only for images with masks",
        ),
        ("bins = 5", "bins = 5\ndropout = 0.5", "the model unet-r18"),
        ("test = 0.25", "test = 6", "test = 6: there are 5 samples"),
        ("test = 0.25", "test = 0.25\nsplit = \"published\"", "validates on the 5 test images"),
    ] {
        let said = fail(bench(&suite(folder.path(), from, to), &data, &out));
        assert!(said.contains(part), "{to}: {said}");
    }
    // Errors in masks and lists name the file.
    let suite = suite(folder.path(), "masks", "masks");
    let mask = data.join("SegmentationClass/train2.png");
    png(&mask, png::ColorType::Rgb, &vec![0; 3 * SIDE * SIDE]);
    let said = fail(bench(&suite, &data, &out));
    assert!(said.contains("train2.png") && said.to_lowercase().contains("rgb"), "{said}");
    png(&mask, png::ColorType::Grayscale, &vec![2; SIDE * SIDE]);
    let said = fail(bench(&suite, &data, &out));
    assert!(said.contains("train2.png") && said.contains("0..=1 or 255"), "{said}");
    std::fs::remove_file(&mask).expect("a file");
    let said = fail(bench(&suite, &data, &out));
    assert!(said.contains("train.txt: line 3: mask"), "{said}");
    std::fs::remove_file(data.join("classes.txt")).expect("a file");
    let said = fail(bench(&suite, &data, &out));
    assert!(said.contains("classes.txt"), "{said}");
}

/// From images with masks to a network in use: trained, killed, resumed, used for predictions,
/// exported. On the test part its metrics are bit-identical to those of its run.
#[test]
fn a_trained_network_predicts_masks() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, out, masks) =
        (folder.path().join("data"), folder.path().join("out"), folder.path().join("masks"));
    write_images(&data, &[("train", 4), ("val", 2), ("test", 5)]);
    let suite = suite(folder.path(), "epochs = 1", "epochs = 3");
    let cell = out.join("masks/unet-r18/ce/seed-0");
    let only = |mut command: Command| {
        command.args(["--loss", "ce"]);
        command
    };
    kill_after(only(bench(&suite, &data, &out)), &cell.join("events.jsonl"), 1);
    run(only(bench(&suite, &data, &out)));

    let segmenter =
        CalibratedSegmenter::load(cell.join("classifier"), &Device::Cpu).expect("a segmenter");
    let image = |i: usize| data.join(format!("JPEGImages/test{i}.png"));
    let mask = |i: usize| {
        decode_mask(data.join(format!("SegmentationClass/test{i}.png")), 1 << 20, 1 << 20)
            .expect("a mask")
    };
    let settings =
        SegmentationSettings { bins: 5, published: false, ..SegmentationSettings::default() };
    let mut metrics = SegmentationMetrics::new(2, settings).expect("settings");
    for i in 0..5 {
        let prepared = segmenter
            .prepare(&decode(&image(i), 1 << 20, 1 << 20).expect("an image"))
            .expect("prepared");
        let (logits, labels) = (segmenter.logits(&[prepared]).expect("logits"), mask(i).classes);
        let images = SegmentedImages {
            logits: (&logits).into(),
            shape: [1, 2, SIDE, SIDE],
            labels: (&labels).into(),
            indices: &[i as u64],
        };
        metrics.update(images).expect("an image");
    }
    let found = serde_json::to_value(metrics.value().expect("images")).expect("JSON");
    let expected = json(&cell.join("evaluation.json"))["before"].clone();
    for name in ["overlap", "pixels", "void_pixels", "pictures"] {
        assert_eq!(found[name], expected[name], "{name}");
    }
    assert_eq!(found["pooled"], expected["pooled"]);

    let names: Vec<String> = (0..5).map(|i| image(i).display().to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let answers =
        predict(&cell, &[&names[..], &["--out", masks.to_str().expect("UTF-8")]].concat());
    assert_eq!(answers.len(), 5);
    for (i, answer) in answers.iter().enumerate() {
        let segmentation = segmenter
            .segment(&decode(&image(i), 1 << 20, 1 << 20).expect("an image"))
            .expect("classes");
        let written =
            decode_mask(masks.join(format!("test{i}.png")), 1 << 20, 1 << 20).expect("a mask");
        assert_eq!(written.classes, segmentation.classes);
        assert_eq!(answer["mean_confidence"].as_f64(), Some(segmentation.mean_confidence()));
        for part in ["confidence", "overlay"] {
            assert!(masks.join(format!("test{i}.{part}.png")).is_file());
        }
    }
    let said = text(&run(predicting(&cell, &[names[0], "--abstain-below", "0.6"])));
    for part in ["mean confidence", "% of the pixels withheld", "test pixels"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let said =
        fail(predicting(&cell, &[names[0], names[0], "--out", masks.to_str().expect("UTF-8")]));
    assert!(said.contains("would both be called test0"), "{said}");
    let exported = folder.path().join("exported");
    run(program(&[
        "export",
        cell.to_str().expect("UTF-8"),
        "--out",
        exported.to_str().expect("UTF-8"),
    ]));
    assert_eq!(json(&exported.join("model.json"))["values"], serde_json::json!([0, 1]));
}
