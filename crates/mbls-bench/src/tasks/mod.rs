//! The tasks: images with one class each, images with masks, texts with one class each.

mod images;
mod labelled;
mod segmentation;
mod texts;

use crate::spec::TaskKind;
use crate::workload::TaskFamily;

/// Returns the task of a kind of data.
pub(crate) fn family(kind: TaskKind) -> &'static dyn TaskFamily {
    match kind {
        TaskKind::Images => &images::ImageFamily,
        TaskKind::Segmentation => &segmentation::SegmentationFamily,
        TaskKind::Texts => &texts::TextFamily,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Suite;

    /// Returns the suite `text` with a schedule that follows a metric.
    fn following(text: &str, fields: &str) -> Suite {
        let line = text.lines().find(|line| line.starts_with("schedule")).unwrap();
        let schedule = format!("schedule = {{ kind = \"reduce-on-plateau\", {fields} }}");
        Suite::parse(&text.replacen(line, &schedule, 1), String::new()).unwrap()
    }

    fn error(text: &str, fields: &str) -> String {
        let suite = following(text, fields);
        format!("{:#}", family(suite.data.task()).measures().check_schedules(&suite).unwrap_err())
    }

    #[test]
    fn a_schedule_follows_a_metric_of_its_task_in_the_right_direction() {
        let [digits, camvid] =
            [include_str!("../../suites/digits.toml"), include_str!("../../suites/camvid.toml")];
        for (text, fields, part) in [
            (
                digits,
                "metric = \"loss\"",
                "recipe.schedule.metric = \"loss\": expected one of accuracy, nll, brier, ece",
            ),
            (digits, "metric = \"temperature\"", "expected one of accuracy, nll, brier, ece"),
            (
                digits,
                "metric = \"accuracy\"",
                "recipe.schedule.settings.mode: expected \"max\", because higher accuracy",
            ),
            (
                digits,
                "metric = \"nll\", settings = { mode = \"max\" }",
                "recipe.schedule.settings.mode: expected \"min\"",
            ),
            (camvid, "metric = \"brier\"", "expected one of miou, accuracy, nll, ece"),
            (
                camvid,
                "metric = \"miou\"",
                "recipe.schedule.settings.mode: expected \"max\", because higher miou",
            ),
        ] {
            assert!(error(text, fields).contains(part), "{}", error(text, fields));
        }
        for (text, fields) in [
            (digits, "metric = \"ece\""),
            (camvid, "metric = \"miou\", settings = { mode = \"max\" }"),
        ] {
            let suite = following(text, fields);
            family(suite.data.task()).measures().check_schedules(&suite).unwrap();
        }
        // The recipe of a profile is checked too.
        let local = digits.to_owned()
            + "\n[profile.local]\nepochs = 1\nseeds = 1\ntrain = 1\nvalidation = 1\ntest = 1\n[profile.local.recipe]\n\
               schedule = { kind = \"reduce-on-plateau\", metric = \"accuracy\" }\n";
        let suite = Suite::parse(&local, String::new()).unwrap();
        let error = format!(
            "{:#}",
            family(suite.data.task()).measures().check_schedules(&suite).unwrap_err()
        );
        assert!(error.contains("profile.local: recipe.schedule.settings.mode"), "{error}");
    }

    #[test]
    fn every_key_is_measured_once_and_documented() {
        let documented = include_str!("../../../../docs/benchmarks.md");
        for keys in [
            labelled::MEASURES.iter().map(|measure| measure.is.key).collect::<Vec<_>>(),
            segmentation::MEASURES.iter().map(|measure| measure.is.key).collect(),
        ] {
            for (place, key) in keys.iter().enumerate() {
                assert!(!keys[..place].contains(key), "{key} occurs twice");
                assert!(documented.contains(&format!("`{key}`")), "docs/benchmarks.md lacks {key}");
            }
        }
    }
}
