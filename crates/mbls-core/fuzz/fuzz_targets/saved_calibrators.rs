//! Reads bytes as a saved calibrator. One that is read without an error must map any scores to
//! probabilities or return an error.

#![no_main]

mod json;

use libfuzzer_sys::{fuzz_mutator, fuzz_target};
use mbls_core::calibration::{Calibrator, SavedCalibrator, Scores};

/// Repeated to the number of classes of a calibrator.
const LOGITS: [f32; 7] = [0.0, 1.0, -3.5, 20.0, -1e4, 1e4, 3e38];
const PROBS: [f64; 2] = [1.0, 0.0];

fuzz_target!(|json: &[u8]| {
    let Ok(saved) = serde_json::from_slice::<SavedCalibrator>(json) else { return };
    let text = serde_json::to_string(&saved).expect("a calibrator that was read can be saved");
    let reloaded: SavedCalibrator = serde_json::from_str(&text).expect("a calibrator that was saved can be read");
    assert_eq!(reloaded, saved);

    let calibrator = saved.into_calibrator();
    let classes = calibrator.classes().unwrap_or(3);
    if classes > 64 {
        return;
    }
    let logits: Vec<f32> = LOGITS.iter().copied().cycle().take(classes * LOGITS.len()).collect();
    let one_hot: Vec<f64> = PROBS.iter().copied().chain([0.0].repeat(classes - 2)).collect();
    let even = vec![1.0 / classes as f64; classes];
    let scores = [
        Scores::from_logits(&logits, classes).expect("finite logits"),
        Scores::from_probs(&[one_hot, even].concat(), classes).expect("two distributions"),
    ];
    for scores in scores {
        let Ok(probs) = calibrator.probs(&scores) else { continue };
        for row in probs.chunks(classes) {
            assert!(row.iter().all(|p| (0.0..=1.0).contains(p)), "{row:?}");
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-6, "{row:?}");
        }
    }
});

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    json::mutate_bytes(data, size, max_size, seed)
});
