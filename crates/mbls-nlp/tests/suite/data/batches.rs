//! Tokenised texts and batches.

use candle_core::Device;
use mbls_data::{Collate, DataLoader, Dataset, LoaderConfig, Order, Seed};
use mbls_nlp::dataset::{LabelledTexts, TextCollate, TokenisedTexts};
use mbls_nlp::text::{PadConfig, WordRule, WordTokenizer};
use std::sync::Arc;

fn set() -> TokenisedTexts {
    let texts = ["a b c d", "", "?!", "unknown words", "b b"].map(str::to_owned).to_vec();
    let names = ["x", "y"].map(str::to_owned).to_vec();
    let tokenizer = WordTokenizer::fit(WordRule::Unicode, &texts[..1], None).unwrap();
    TokenisedTexts::new(
        &LabelledTexts::new("tiny", texts, vec![0, 1, 0, 1, 0], names).unwrap(),
        &tokenizer,
    )
    .unwrap()
}

#[test]
fn loaders_give_rows_of_one_length() {
    let set = Arc::new(set());
    assert_eq!((set.len(), set.without_tokens(), set.labels()), (5, 3, &[0, 1, 0, 1, 0][..]));
    assert!(set.ids(5).is_err() && set.get(5, Seed(0)).is_err());
    let collate = Arc::new(TextCollate::new(PadConfig { length: 3, value: 7 }).unwrap());
    let config = LoaderConfig {
        batch_size: 2,
        order: Order::Sequential,
        drop_last: false,
        workers: 2,
        seed: Seed(1),
    };
    let batches: Vec<_> =
        DataLoader::new(set, collate, config).unwrap().epoch(0).map(Result::unwrap).collect();
    let rows: Vec<Vec<Vec<u32>>> =
        batches.iter().map(|batch| batch.ids(&Device::Cpu).unwrap().to_vec2().unwrap()).collect();
    assert_eq!(rows, [vec![[2, 3, 4], [7; 3]], vec![[7; 3]; 2], vec![[7, 2, 2]]]);
    let labels = batches
        .iter()
        .flat_map(|batch| batch.labels(&Device::Cpu).unwrap().to_vec1::<u32>().unwrap());
    assert_eq!(labels.collect::<Vec<_>>(), [0, 1, 0, 1, 0]);
}

#[test]
fn what_makes_no_batch_is_refused() {
    assert!(TextCollate::new(PadConfig { length: 0, value: 0 }).is_err());
    assert_eq!(PadConfig::default().length, 1000);
    assert!(TextCollate::new(PadConfig::default()).unwrap().collate(Vec::new()).is_err());
    let names = |count| (0..count).map(|i: usize| i.to_string()).collect::<Vec<_>>();
    let error = |texts: usize, labels: Vec<u32>, classes| {
        LabelledTexts::new("t", vec![String::new(); texts], labels, names(classes))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        error(0, vec![], 2),
        "data set t: number of texts: expected at least 1, as many as labels, found 0 texts, 0 labels"
    );
    assert!(error(2, vec![0], 2).contains("found 2 texts, 1 labels"));
    assert!(error(1, vec![0], 1).contains("number of classes: expected at least 2, found 1"));
    assert!(error(2, vec![1, 2], 2).contains("label of text 1: expected 0..=1, found 2"));
}
