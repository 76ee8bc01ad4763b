//! Measures the evaluation of images one at a time: the time of the metric and the peak memory.
//! `compare_evaluation.py` runs it.
//!
//!     cargo bench -p mbls-seg --bench evaluation -- FILE CLASSES HEIGHT WIDTH IMAGES \
//!         [none | common | pooled | both] [THREADS]
//!
//! FILE contains images, each as logits `[C, H, W]` in f32 followed by labels `[H, W]` in u8,
//! little endian. It is read repeatedly until IMAGES images are evaluated. Prints JSON; `seconds`
//! is the time of the metric only.

use mbls_core::metric::Metric;
use mbls_seg::metric::{SegmentationMetrics, SegmentationSettings, SegmentedImages};
use std::io::{Read, Seek};
use std::time::{Duration, Instant};

struct Source {
    file: std::fs::File,
    logits: Vec<u8>,
    labels: Vec<u8>,
}

impl Source {
    /// Reads the next image; continues with the first one after the last.
    fn next(&mut self, logits: &mut [f32], labels: &mut [u32]) -> std::io::Result<()> {
        if self.file.read_exact(&mut self.logits).is_err() {
            self.file.rewind()?;
            self.file.read_exact(&mut self.logits)?;
        }
        self.file.read_exact(&mut self.labels)?;
        let (numbers, _) = self.logits.as_chunks();
        logits
            .iter_mut()
            .zip(numbers)
            .for_each(|(logit, bytes)| *logit = f32::from_le_bytes(*bytes));
        labels.iter_mut().zip(&self.labels).for_each(|(label, byte)| *label = u32::from(*byte));
        Ok(())
    }
}

/// Returns the peak memory of this process in KiB; 0 if the system does not report it.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    // `cargo test --benches` and `cargo bench` add options.
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let [file, classes, height, width, images, mode @ ..] = &arguments[..] else {
        eprintln!(
            "nothing to evaluate: FILE CLASSES HEIGHT WIDTH IMAGES [none | common | pooled | both] [THREADS]"
        );
        return Ok(());
    };
    let [classes, height, width] = [classes.parse()?, height.parse()?, width.parse::<usize>()?];
    let (images, area): (u64, usize) = (images.parse()?, height * width);
    let what = mode.first().map_or("both", String::as_str);
    if let Some(threads) = mode.get(1) {
        rayon::ThreadPoolBuilder::new().num_threads(threads.parse()?).build_global()?;
    }
    let file = std::fs::File::open(file)?;
    let mut source = Source { file, logits: vec![0; 4 * classes * area], labels: vec![0; area] };
    let (mut logits, mut labels) = (vec![0.0; classes * area], vec![0; area]);
    let settings = SegmentationSettings {
        published: what == "both",
        classwise: what != "common",
        ..Default::default()
    };
    let mut metrics = SegmentationMetrics::new(classes, settings)?;
    let mut times = Vec::new();
    for index in 0..images {
        source.next(&mut logits, &mut labels)?;
        let start = Instant::now();
        if what != "none" {
            let shape = [1, classes, height, width];
            metrics.update(SegmentedImages {
                logits: (&logits).into(),
                shape,
                labels: (&labels).into(),
                indices: &[index],
            })?;
        }
        times.push(start.elapsed());
    }
    let seconds = times.iter().sum::<Duration>().as_secs_f64();
    times.sort();
    let report = metrics.value();
    let text = serde_json::json!({
        "pictures": images,
        "seconds": seconds,
        "median_picture": times.get(times.len() / 2).map(Duration::as_secs_f64),
        "peak_kib": peak_kib(),
        "ece": report.as_ref().and_then(|report| Some(report.calibration.as_ref()?.ece)),
        "mean_iou": report.as_ref().and_then(|report| report.overlap.as_ref()?.mean_iou.with_background),
        "pixel_accuracy": report.as_ref().and_then(|report| Some(report.overlap.as_ref()?.pixel_accuracy)),
        "mean_dice": report.as_ref().and_then(|report| report.overlap.as_ref()?.mean_dice.with_background),
    });
    println!("{text}");
    Ok(())
}
