use crate::measure::{KEYS, Measured, Values};
use anyhow::{Context, Result};

/// Returns a line for each metric of each file, and of each group.
pub(super) fn write(files: &[Measured]) -> Result<String> {
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "file",
        "group",
        "samples",
        "classes",
        "metric",
        "value",
        "low",
        "high",
        "convention",
    ])?;
    let number = |value: Option<f64>| value.map(|value| value.to_string()).unwrap_or_default();
    for measured in files {
        let classes = measured.classes.map(|classes| classes.to_string()).unwrap_or_default();
        let mut lines = |group: &str, samples: u64, values: &Values, whole: bool| -> Result<()> {
            for key in KEYS {
                let interval = measured.interval(key).filter(|_| whole);
                writer.write_record([
                    &measured.file,
                    group,
                    &samples.to_string(),
                    &classes,
                    key.name(),
                    &number(values[key as usize]),
                    &number(interval.map(|interval| interval.low)),
                    &number(interval.map(|interval| interval.high)),
                    &key.convention(&measured.settings),
                ])?;
            }
            Ok(())
        };
        lines("", measured.samples, &measured.values, true)?;
        for group in measured.groups.iter().flat_map(|groups| &groups.groups) {
            lines(&group.name, group.samples, &group.values, false)?;
        }
    }
    let bytes = writer.into_inner().context("CSV in memory")?;
    String::from_utf8(bytes).context("CSV in memory")
}
