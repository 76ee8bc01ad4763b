//! Loads the folder `classifier` of a finished benchmark run and classifies images with calibrated
//! confidence.
//!
//! Run it with `cargo run -p mbls --example use_a_trained_cell --features vision -- FOLDER IMAGE`,
//! or without arguments on the digits of the repository. It prints:
//!
//! ```text
//! small-cnn: 10 classes
//! 0, confidence 1.00; of 335 test images like it 99 % were right; OOD: false
//! 1, confidence 1.00; of 335 test images like it 99 % were right; OOD: false
//! 2, confidence 0.90; of 69 test images like it 90 % were right; OOD: false
//! 3, confidence 1.00; of 335 test images like it 99 % were right; OOD: false
//! of 647 test samples 58.1 % are answered with a confidence above 0.9, and 2.4 % of these answers are wrong
//! ```

mod rows;

use mbls::calibration::{CalibratorRole, OodDetector};
use mbls::candle::Device;
use mbls::vision::dataset::digits;
use mbls::vision::{CalibratedClassifier, ImageSource, decode};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().map_or(rows::data("digit-classifier"), Into::into);
    let classifier = CalibratedClassifier::load(&folder, &Device::Cpu)?;
    let record = &classifier.settings().record;
    println!("{}: {} classes", classifier.settings().model, record.classes().len());

    // Files have values up to 255, the digits of the repository up to 16.
    let mut images = Vec::new();
    for path in arguments {
        let image = decode(path.as_ref(), 1 << 28, 1 << 26)?;
        images.push(classifier.prepare(&image, u8::MAX)?);
    }
    if images.is_empty() {
        let digits = digits::load(rows::data("digits.csv.gz"))?;
        for index in 0..4 {
            images.push(classifier.prepare(&digits.image(index)?, digits.full_scale())?);
        }
    }
    for found in classifier.classify_all(&images, CalibratorRole::Temperature)? {
        let right =
            found.bin.accuracy.map_or("none".into(), |share| format!("{:.0} %", 100.0 * share));
        let ood = found.ood(OodDetector::Energy).is_some_and(|verdict| verdict.is_ood);
        println!(
            "{}, confidence {:.2}; of {} test images like it {right} were right; OOD: {ood}",
            found.name, found.confidence, found.bin.count
        );
    }
    // What abstaining below a confidence of 0.9 would have done on the test part.
    let abstention = record.assessment(CalibratorRole::Temperature).abstain_below(0.9)?;
    println!("{abstention}");
    Ok(())
}
