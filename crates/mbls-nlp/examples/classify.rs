//! Classifies texts with a saved classifier: `cargo run -p mbls-nlp --example classify -- FOLDER
//! [TEXT...]`. Without TEXT, standard input is one text.

use candle_core::Device;
use mbls_core::calibration::CalibratorRole;
use mbls_nlp::classifier::CalibratedClassifier;
use std::error::Error;
use std::io::read_to_string;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().ok_or("usage: classify FOLDER [TEXT...]")?;
    let mut texts: Vec<String> = arguments.collect();
    let classifier = CalibratedClassifier::load(folder, &Device::Cpu)?;
    if texts.is_empty() {
        texts.push(read_to_string(std::io::stdin())?);
    }
    for found in classifier.classify_all(&texts, CalibratorRole::Temperature)? {
        println!("{}, confidence {:.3}", found.answer.name, found.answer.confidence);
        let confidence = format!(
            "a confidence of {:.2} to {:.2}",
            found.answer.bin.lower, found.answer.bin.upper
        );
        match found.answer.bin.accuracy {
            Some(accuracy) => {
                println!(
                    "  of {} test texts with {confidence}, {:.1} % were right",
                    found.answer.bin.count,
                    100.0 * accuracy
                );
            }
            None => println!("  no test text had {confidence}"),
        }
        if found.known_words == 0 {
            println!(
                "  it has no known word among {}: this is the answer to an empty text",
                found.words
            );
        }
    }
    Ok(())
}
