//! Suite files are parsed correctly, or rejected with the name of the field.

use super::suite::BUILT_IN;
use super::*;
use mbls_core::loss::{LossSpec, MarginChoice};
use mbls_nn::{EmaConfig, PlateauMode, ReduceOnPlateau, Schedule};

#[test]
fn built_in_suites_are_valid() {
    let suites = Suite::built_in().unwrap();
    let names: Vec<_> = suites.iter().map(|suite| suite.name.as_str()).collect();
    let expected = "digits digits-noisy mnist cifar10 cifar100 tiny-imagenet cub imagefolder voc2012 camvid vocfolder 20newsgroups textfile";
    assert_eq!(names.join(" "), expected);
    for suite in &suites {
        assert_eq!(suite.loss[0].spec, LossSpec::CrossEntropy, "{}: the baseline", suite.name);
        assert!(suite.loss.iter().any(|loss| matches!(
            loss.spec,
            LossSpec::Margin { margin: MarginChoice::Fixed(0.0), .. }
        )));
    }
}

/// The suites that were used to choose settings stay readable.
#[test]
fn suites_of_candidates_are_valid() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("suites/tuning");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names: Vec<String> =
        files.map(|file| Suite::find(file.to_str().unwrap()).unwrap().name).collect();
    assert_eq!(names.iter().filter(|name| name.starts_with("margins-")).count(), 6, "{names:?}");
    assert!(names.len() >= 7, "{names:?}");
}

#[test]
fn unknown_suite_names_the_known_ones() {
    let error = Suite::find("digit").unwrap_err().to_string();
    assert!(error.contains("\"digit\"") && error.contains("digits-noisy"), "{error}");
}

#[test]
fn mistakes_are_named() {
    let good = BUILT_IN[0];
    let error = |from: &str, to: &str| {
        format!("{:#}", Suite::parse(&good.replacen(from, to, 1), String::new()).unwrap_err())
    };
    assert!(good.contains("id = \"ls\"") && good.contains("batch_size"));
    assert!(error("id = \"ls\"", "id = \"ce\"").contains("twice"));
    assert!(error("id = \"ls\"", "id = \"../ls\"").contains("../ls"));
    assert!(error("batch_size", "batchsize").contains("batchsize"));
    let from = "kind = \"label-smoothing\", alpha = 0.02";
    let to = "kind = \"class-adaptive\", margin = 0.0, penalty = \"p2\"";
    assert!(error(from, to).contains("loss \"ls\": margin = 0"), "{}", error(from, to));
    let from = "schedule = { kind = \"cosine\" }";
    let plateau = |fields: &str| {
        error(from, &format!("schedule = {{ kind = \"reduce-on-plateau\", {fields} }}"))
    };
    for (fields, part) in [
        ("metric = \"nll\", settings = { factor = 1.0 }", "recipe.schedule: factor = 1"),
        ("metric = \"nll\", settings = { factr = 0.5 }", "factr"),
        ("settings = { factor = 0.5 }", "metric"),
    ] {
        assert!(plateau(fields).contains(part), "{}", plateau(fields));
    }
    for (fields, part) in [
        ("", "recipe.groups: parameter group {}: expected at least one of prefix"),
        (
            "weight_decay = 0.0",
            "recipe.groups: parameter group {weight_decay = 0}: expected at least one of prefix",
        ),
        ("prefix = \"fc.\"", "expected a learning_rate_factor or a weight_decay"),
        ("prefix = \"fc.\"\nweight_decay = -1.0", "at least 0"),
        ("prefix = \"fc.\"\nlr = 0.1", "lr"),
    ] {
        let found =
            error("[profile.default]", &format!("[[recipe.groups]]\n{fields}\n[profile.default]"));
        assert!(found.contains(part), "{found}");
    }
    for (fields, part) in [
        ("decay = 1.5", "recipe.ema: decay = 1.5: expected 0 to 1"),
        ("decay = nan", "recipe.ema: decay = NaN"),
        ("momentum = 0.9", "momentum"),
    ] {
        let found = error("bins = 15", &format!("bins = 15\nema = {{ {fields} }}"));
        assert!(found.contains(part), "{found}");
    }
}

#[test]
fn a_profile_changes_the_fields_of_the_recipe_that_it_names() {
    let good = BUILT_IN[0];
    let with = |recipe: &str| {
        let text = format!(
            "{good}\n[profile.local]\nepochs = 1\nseeds = 1\ntrain = 1\nvalidation = 1\ntest = 1\n{recipe}\n"
        );
        Suite::parse(&text, String::new())
    };
    let suite = with("[profile.local.recipe]\nflip = true\nbins = 10").unwrap();
    let (base, local) = (suite.recipe.clone(), suite.clone().at("local").recipe);
    assert_eq!((local.images().unwrap().flip, local.bins), (true, 10));
    assert_eq!(Recipe { bins: 15, task: base.task.clone(), ..local }, base);
    assert_eq!(suite.at("default").recipe, base);
    for (recipe, part) in [
        ("[profile.local.recipe]\nflap = true", "profile.local.recipe: unknown field `flap`"),
        ("[profile.local.recipe]\nbins = 0", "profile.local: recipe.bins = 0"),
        ("recipe = 1", "recipe"),
    ] {
        let error = format!("{:#}", with(recipe).unwrap_err());
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn new_fields_are_read_and_do_not_change_other_identities() {
    let good = BUILT_IN[0];
    let plain = serde_json::to_string(&Suite::parse(good, String::new()).unwrap().recipe).unwrap();
    // The identity in earlier checkpoints and results.
    let earlier = concat!(
        r#"{"batch_size":50,"learning_rate":0.05,"schedule":{"kind":"cosine"},"optimizer":{"kind":"sgd","momentum":0.9,"#,
        r#""dampening":0.0,"weight_decay":0.0005,"nesterov":false},"clip_norm":2.0,"crop_padding":null,"flip":false,"bins":15}"#
    );
    assert_eq!(plain, earlier);
    let schedule = "schedule = { kind = \"reduce-on-plateau\", metric = \"nll\", settings = { patience = 2 } }";
    let groups =
        "[[recipe.groups]]\nprefix = \"fc.\"\nlearning_rate_factor = 10.0\n[profile.default]";
    let text = good
        .replace("schedule = { kind = \"cosine\" }", schedule)
        .replace("[profile.default]", groups);
    let text =
        text.replace("bins = 15", "bins = 15\nema = { decay = 0.99, average_buffers = true }");
    let recipe = Suite::parse(&text, String::new()).unwrap().recipe;
    assert_eq!(recipe.schedule.followed(), Some(("nll", PlateauMode::Min)));
    let expected = Schedule::ReduceOnPlateau(ReduceOnPlateau { patience: 2, ..Default::default() });
    assert_eq!(recipe.schedule.for_epochs(7), expected);
    assert_eq!(recipe.groups[0].learning_rate_factor, Some(10.0));
    assert_eq!(
        recipe.ema,
        Some(EmaConfig { decay: 0.99, average_buffers: true, ..Default::default() })
    );
    let json = serde_json::to_string(&recipe).unwrap();
    assert!(
        json.contains("\"groups\":[{\"prefix\":\"fc.\",\"learning_rate_factor\":10.0}]"),
        "{json}"
    );
    let read: super::recipe::RecipeTable = serde_json::from_str(&json).unwrap();
    assert_eq!(read.for_task(TaskKind::Images).unwrap(), recipe);
}

#[test]
fn milestones_scale_with_the_epochs() {
    let schedule = RecipeSchedule::MultiStep { fractions: vec![0.4, 0.6], gamma: 0.1 };
    let Schedule::MultiStep { milestones, .. } = schedule.for_epochs(200) else {
        panic!("another schedule")
    };
    assert_eq!(milestones, [80, 120]);
}

/// The fields of one task are rejected in the recipe of another.
#[test]
fn the_fields_of_other_tasks_are_rejected() {
    let with = |suite: &str, recipe: &str| {
        let text =
            BUILT_IN.iter().find(|text| text.contains(&format!("name = \"{suite}\""))).unwrap();
        Suite::parse(&text.replacen("[recipe]", &format!("[recipe]\n{recipe}"), 1), String::new())
    };
    let text = "text = { length = 5, dimension = 5 }";
    for (suite, recipe, part) in [
        (
            "camvid",
            "flip = true",
            "recipe.flip: expected only for images with classes, but the data are images with masks",
        ),
        ("camvid", text, "recipe.text: expected only for texts"),
        (
            "textfile",
            "crop_padding = 4",
            "recipe.crop_padding: expected only for images with classes, but the data are texts",
        ),
        (
            "textfile",
            "segmentation = {}",
            "recipe.segmentation: expected only for images with masks",
        ),
        ("digits", "segmentation = {}", "recipe.segmentation: expected only for images with masks"),
        ("digits", text, "recipe.text: expected only for texts"),
    ] {
        let error = format!("{:#}", with(suite, recipe).unwrap_err());
        assert!(error.contains(part), "{error}");
    }
    for (suite, part) in [("camvid", "[recipe.segmentation]"), ("textfile", "[recipe.text]")] {
        let text =
            BUILT_IN.iter().find(|text| text.contains(&format!("name = \"{suite}\""))).unwrap();
        let (before, after) = text.split_once(part).unwrap();
        let after = after.split_once("\n[").unwrap().1;
        let error =
            format!("{:#}", Suite::parse(&format!("{before}[{after}"), String::new()).unwrap_err());
        assert!(
            error.contains(&part.trim_matches(['[', ']']).to_owned())
                && error.contains("expected for"),
            "{error}"
        );
    }
}

#[test]
fn weights_early_stopping_and_steps_of_several_batches_are_read_and_checked() {
    let good = BUILT_IN[0];
    let with = |fields: &str| {
        Suite::parse(&good.replace("bins = 15", &format!("bins = 15\n{fields}")), String::new())
    };
    let fields = "accumulate = 4\nclass_weights = \"balanced\"\nearly_stopping = { metric = \"nll\", patience = 5 }";
    let recipe = with(fields).unwrap().recipe;
    let json = serde_json::to_string(&recipe).unwrap();
    let end = r#""bins":15,"class_weights":"balanced","early_stopping":{"metric":"nll","patience":5},"accumulate":4}"#;
    assert!(json.ends_with(end), "{json}");
    let read: super::recipe::RecipeTable = serde_json::from_str(&json).unwrap();
    assert_eq!(read.for_task(TaskKind::Images).unwrap(), recipe);
    for (fields, part) in [
        ("accumulate = 0", "recipe.accumulate = 0: expected a positive number"),
        (
            "class_weights = [1.0, -1.0]",
            "recipe.class_weights[1] = -1: expected a finite number, 0 or greater",
        ),
        ("class_weights = \"even\"", "\"balanced\", a list of numbers"),
        (
            "early_stopping = { metric = \"nll\", patience = 0 }",
            "recipe.early_stopping.patience = 0: expected at least 1",
        ),
        (
            "early_stopping = { metric = \"nll\", patience = 1, min_delta = -1 }",
            "recipe.early_stopping.min_delta = -1",
        ),
        ("early_stopping = { patience = 1 }", "missing field `metric`"),
        (
            "early_stopping = { metric = \"nll\", patience = 1, mode = \"max\" }",
            "unknown field `mode`",
        ),
    ] {
        let error = format!("{:#}", with(fields).unwrap_err());
        assert!(error.contains(part), "{part}: {error}");
    }
}
