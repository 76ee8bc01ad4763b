//! Trains a text network on a CSV file and classifies a new sentence.
//!
//! Run it with `cargo run -p mbls --example classify_texts --features nlp`. It prints:
//!
//! ```text
//! the soup needs salt: cooking
//! the wind and the tide: sailing
//! ```

mod rows;

use mbls::candle::{DType, Device, Module, Tensor};
use mbls::data::{Collate, Dataset, Seed};
use mbls::nlp::dataset::labelled_file::{self, LabelledFileConfig};
use mbls::nlp::dataset::{TextCollate, TokenisedTexts};
use mbls::nlp::model::{Architecture, Options, WordTable};
use mbls::nlp::text::{PadConfig, Tokenizer, WordRule, WordTokenizer};
use mbls::nn::{Adam, AdamConfig, Optimizer, ParamStore, backward};
use mbls::prelude::*;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let columns = LabelledFileConfig { label: "topic".into(), ..LabelledFileConfig::default() };
    let file = labelled_file::load(rows::data("messages.csv"), None, &columns, Default::default())?;
    let texts = file.texts;
    let tokenizer = WordTokenizer::fit(WordRule::Keras, texts.texts(), None)?;
    let collate = TextCollate::new(PadConfig { length: 10, ..PadConfig::default() })?;
    let tokenised = TokenisedTexts::new(&texts, &tokenizer)?;
    let samples = (0..tokenised.len()).map(|index| tokenised.get(index, Seed(0)));
    let batch = collate.collate(samples.collect::<Result<_, _>>()?)?;

    let device = Device::Cpu;
    let store = ParamStore::new(1, DType::F32, &device);
    let words =
        WordTable::trained(tokenizer.vocabulary().len() + 1, 16, store.var_builder().pp("words"))?;
    let network = Architecture::TextCnn.network(texts.classes(), 16);
    let network = network.build(Options::default(), store.var_builder())?;
    let forward = |ids: &Tensor, train| network.forward_t(&words.forward(ids)?, train);

    let mut optimizer = Adam::new(store.parameters(), AdamConfig::default())?;
    let loss = MarginLoss::new(10.0, 0.1)?;
    let (ids, labels) = (batch.ids(&device)?, batch.labels(&device)?);
    for _ in 0..20 {
        let output = loss.forward(&LogitBatch::new(&forward(&ids, true)?, &labels, None)?)?;
        optimizer.step(&backward(&output.total)?, 0.005)?;
    }

    for text in ["the soup needs salt", "the wind and the tide"] {
        let mut ids = tokenizer.encode(text)?;
        ids.resize(10, 0);
        let logits = forward(&Tensor::new(ids, &device)?.unsqueeze(0)?, false)?;
        let logits: Vec<f32> = logits.flatten_all()?.to_vec1()?;
        let row = Predictions::from_logits(&logits, texts.classes(), &[0])?;
        println!("{text}: {}", texts.class_names()[row.predicted(0) as usize]);
    }
    Ok(())
}
