//! The recipe of a suite file is applied, and its errors are named.

use crate::support::{fail, program, results, run, tensors, text};
use candle_core::{Device, Tensor};
use std::collections::HashMap;
use std::path::Path;

const CELL: &str = "changed/small-cnn/ce/seed-0";

/// Writes the digits suite to a file in `folder`, with an addition to the recipe and another
/// schedule.
fn suite(folder: &Path, schedule: &str, added: &str) -> String {
    let digits = include_str!("../../../suites/digits.toml");
    let (from, to) = ("schedule = { kind = \"cosine\" }", format!("schedule = {schedule}"));
    assert!(digits.contains(from) && digits.contains("\n[profile.default]"));
    let text = digits
        .replace(from, &to)
        .replace("\n[profile.default]", &format!("\n{added}\n[profile.default]"));
    let text = text.replace("name = \"digits\"", "name = \"changed\"");
    let path = folder.join("changed.toml");
    std::fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

fn bench(suite: &str, epochs: &str, out: &Path) -> std::process::Command {
    let out = out.to_str().expect("UTF-8");
    program(&[
        "bench", suite, "--loss", "ce", "--seeds", "1", "--epochs", epochs, "--device", "cpu",
        "--out", out,
    ])
}

fn last(out: &Path) -> HashMap<String, Tensor> {
    let path = out.join(CELL).join("last.safetensors");
    candle_core::safetensors::load(path, &Device::Cpu).expect("a checkpoint")
}

#[test]
fn groups_and_a_plateau_are_applied() {
    let folder = tempfile::tempdir().expect("a folder");
    // No epoch can improve by nine times its value, so the rate is halved after each.
    let schedule = "{ kind = \"reduce-on-plateau\", metric = \"nll\", settings = { patience = 0, factor = 0.5, threshold = 9.0 } }";
    let name = suite(
        folder.path(),
        schedule,
        "[[recipe.groups]]\nprefix = \"fc.\"\nlearning_rate_factor = 0.0",
    );
    let [one, three] = ["1", "3"].map(|epochs| {
        let out = folder.path().join(epochs);
        run(bench(&name, epochs, &out));
        out
    });
    let events = std::fs::read_to_string(three.join(CELL).join("events.jsonl")).expect("events");
    for rate in ["\"learning_rate\":0.05,", "\"learning_rate\":0.025,", "\"learning_rate\":0.0125,"]
    {
        assert_eq!(events.matches(rate).count(), 1, "{rate} in {events}");
    }
    let (one, three) = (last(&one), last(&three));
    let values =
        |tensor: &Tensor| tensor.flatten_all().and_then(|t| t.to_vec1::<f32>()).expect("numbers");
    for (name, moves) in
        [("model.fc.weight", false), ("model.fc.bias", false), ("model.conv1.weight", true)]
    {
        assert_eq!(values(&one[name]) != values(&three[name]), moves, "{name}");
    }
}

#[test]
fn the_average_is_evaluated_instead_of_the_weights() {
    let folder = tempfile::tempdir().expect("a folder");
    let predictions = |name: &str, ema: &str| {
        let out = folder.path().join(name);
        run(bench(
            &suite(folder.path(), &format!("{{ kind = \"cosine\" }}\n{ema}"), ""),
            "2",
            &out,
        ));
        std::fs::read(out.join(CELL).join("predictions.safetensors")).expect("predictions")
    };
    let own = predictions("own", "");
    assert!(predictions("nothing kept", "ema = { decay = 0.0 }") == own, "other predictions");
    assert!(
        predictions("averaged", "ema = { decay = 0.9, average_buffers = true }") != own,
        "the same predictions"
    );
}

#[test]
fn class_weights_are_applied() {
    let folder = tempfile::tempdir().expect("a folder");
    let weighted = |name: &str, weights: &str| {
        let out = folder.path().join(name);
        let said =
            text(&run(bench(&suite(folder.path(), "{ kind = \"cosine\" }", weights), "1", &out)));
        (said, std::fs::read(out.join(CELL).join("predictions.safetensors")).expect("predictions"))
    };
    let (_, plain) = weighted("plain", "");
    let weights = |text: &str| format!("[recipe.class_weights]\n{text}");
    let each = |weight: &dyn Fn(usize) -> f64| {
        (0..10).map(|class| format!("{class} = {:?}\n", weight(class))).collect::<String>()
    };
    assert!(weighted("even", &weights(&each(&|_| 1.0))).1 == plain, "other predictions");
    let (said, uneven) =
        weighted("uneven", &weights(&each(&|class| if class == 3 { 5.0 } else { 1.0 })));
    assert!(uneven != plain, "the same predictions");
    assert!(said.contains("class weights of seed 0: \"0\" 1.0000, \"1\" 1.0000"), "{said}");
    let missing = suite(folder.path(), "{ kind = \"cosine\" }", &weights("0 = 1.0"));
    let said = fail(bench(&missing, "1", &folder.path().join("out")));
    assert!(said.contains("recipe.class_weights: the class \"1\" is missing"), "{said}");
}

#[test]
fn a_training_ends_early_and_says_why() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let stopping = |metric: &str| {
        format!("[recipe.early_stopping]\nmetric = \"{metric}\"\npatience = 1\nmin_delta = 100.0")
    };
    let of = |metric: &str| suite(folder.path(), "{ kind = \"cosine\" }", &stopping(metric));
    let said = text(&run(bench(&of("nll"), "4", &out)));
    assert!(
        said.contains(
            "changed, small-cnn, ce, seed 0: stopped after 2 epochs: nll was not better than"
        ),
        "{said}"
    );
    let found = results(&out);
    let cell = &found["cells"][0];
    assert_eq!(cell["epochs"].as_u64(), Some(2), "{cell}");
    assert!(cell["stopped"].as_str().is_some_and(|why| why.ends_with("for 1 epoch")), "{cell}");
    let events = std::fs::read_to_string(out.join(CELL).join("events.jsonl")).expect("events");
    let end = events.lines().last().expect("an event");
    assert!(end.contains("\"epochs\":2,\"early\":{\"metric\":\"nll\""), "{end}");
    assert!(
        std::fs::read_to_string(out.join("report.html"))
            .expect("a report")
            .contains("stopped after 2 epochs")
    );
    // Without its result the run is evaluated again, without training a further epoch.
    let result = out.join(CELL).join("result.json");
    let before = tensors(&out);
    std::fs::remove_file(&result).expect("a file");
    run(bench(&of("nll"), "4", &out));
    assert!(results(&out) == found && tensors(&out) == before, "something was trained");
    let said = fail(bench(&of("loss"), "4", &out));
    assert!(
        said.contains(
            "recipe.early_stopping.metric = \"loss\": expected one of accuracy, nll, brier, ece"
        ),
        "{said}"
    );
}

/// Additional outputs and the checkpoint interval do not change the results.
#[test]
fn observers_are_options() {
    let folder = tempfile::tempdir().expect("a folder");
    let [plain, watched] = ["plain", "watched"].map(|name| folder.path().join(name));
    let suite = suite(folder.path(), "{ kind = \"cosine\" }", "");
    run(bench(&suite, "2", &plain));
    let mut command = bench(&suite, "2", &watched);
    command.args(["--tensorboard", "--train-metrics", "--checkpoint-minutes", "0"]);
    run(command);
    assert_eq!(results(&watched), results(&plain));
    assert!(tensors(&watched) == tensors(&plain), "checkpoints or predictions differ");
    let events =
        |out: &Path| std::fs::read_to_string(out.join(CELL).join("events.jsonl")).expect("events");
    for (out, measured) in [(&plain, 0), (&watched, 2)] {
        let events = events(out);
        assert_eq!(events.matches("\"train\":{\"accuracy\":").count(), measured, "{events}");
    }
    assert!(!plain.join(CELL).join("tensorboard").exists());
    let files: Vec<_> =
        std::fs::read_dir(watched.join(CELL).join("tensorboard")).expect("a folder").collect();
    let [Ok(file)] = &files[..] else { panic!("{files:?}") };
    let bytes = std::fs::read(file.path()).expect("a file");
    for tag in [
        "brain.Event:2",
        "train/loss_of_steps",
        "train/accuracy",
        "validation/nll",
        "learning_rate",
    ] {
        assert!(bytes.windows(tag.len()).any(|window| window == tag.as_bytes()), "{tag}");
    }
}

#[test]
fn mistakes_in_a_recipe_name_the_file_and_the_field() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let plateau = "{ kind = \"reduce-on-plateau\", metric = \"loss\" }";
    let constant = "{ kind = \"constant\" }";
    for (schedule, added, parts) in [
        (
            plateau,
            "",
            ["recipe.schedule.metric = \"loss\"", "expected one of accuracy, nll, brier, ece"],
        ),
        (
            constant,
            "[[recipe.groups]]",
            ["recipe.groups", "expected at least one of prefix, suffix and max_dims"],
        ),
        (
            constant,
            "[[recipe.groups]]\nprefix = \"head.\"\nweight_decay = 0.0",
            [
                "recipe.groups",
                "parameter group {prefix = \"head.\", weight_decay = 0}: no parameter belongs to it; there are bn1.bias",
            ],
        ),
    ] {
        let text = fail(bench(&suite(folder.path(), schedule, added), "1", &out));
        assert!(
            text.contains("changed.toml") && parts.iter().all(|part| text.contains(part)),
            "{text}"
        );
    }
    assert!(!out.join(CELL).exists(), "something was trained");
}
