//! Architectures, word tables, classifiers: shapes, padding, gradients and errors.

use candle_core::{DType, Device, IndexOp, Module, Tensor};
use candle_nn::ModuleT;
use mbls_nlp::model::{
    Architecture, BiGruConfig, GlobalPoolingCnnConfig, Network, Options, TextClassifier,
    TextCnnConfig, WordTable,
};
use mbls_nn::{Dropout, ParamStore};
use mbls_testkit::{gradient, procedural};
use std::error::Error;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn tiny() -> [Network; 3] {
    [
        Network::GlobalPoolingCnn(GlobalPoolingCnnConfig {
            dim: 3,
            channels: 3,
            kernel: 2,
            pool: 2,
            hidden: 4,
            classes: 2,
        }),
        Network::TextCnn(TextCnnConfig { dim: 3, kernels: vec![1, 3], channels: 2, classes: 2 }),
        Network::BiGru(BiGruConfig { dim: 3, hidden: 2, classes: 2 }),
    ]
}

fn store(dtype: DType) -> ParamStore {
    ParamStore::new(7, dtype, &Device::Cpu)
}

fn values(t: &Tensor) -> Result<Vec<f32>> {
    Ok(t.flatten_all()?.to_vec1()?)
}

#[test]
fn names_are_unique_and_come_back() -> Result<()> {
    for architecture in Architecture::all() {
        assert_eq!(architecture.to_string().parse::<Architecture>()?, architecture);
    }
    for name in ["", "text-cnn ", "TextCNN", "bi-lstm"] {
        let error = name.parse::<Architecture>().unwrap_err().to_string();
        assert!(
            error.contains("global-pooling-cnn, text-cnn, bi-gru")
                && error.contains(&format!("{name:?}")),
            "{error}"
        );
    }
    Ok(())
}

#[test]
fn the_documents_list_all_with_their_numbers_of_parameters() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/models.md");
    let text = std::fs::read_to_string(path)?;
    let section = text
        .split("\n## ")
        .find(|section| section.starts_with("Networks for texts"))
        .expect("a section");
    let cells = |line: &str| {
        line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>()
    };
    let rows = section.lines().filter(|line| line.starts_with("| `")).map(cells);
    let found: Vec<_> = rows.map(|row| [row[1].clone(), row[2].clone(), row[3].clone()]).collect();
    let expected = Architecture::all().map(|architecture| {
        let (store, network) = (store(DType::F32), architecture.network(20, 100));
        let head = network.head();
        network.build(Options::default(), store.var_builder()).expect("a network");
        let count =
            store.parameters().iter().map(|(_, var)| var.elem_count()).sum::<usize>().to_string();
        let thousands: Vec<&str> =
            count.as_bytes().rchunks(3).rev().map(|c| std::str::from_utf8(c).unwrap()).collect();
        [architecture.to_string(), head.to_owned(), thousands.join(",")]
    });
    assert_eq!(found, expected.collect::<Vec<_>>(), "{path}");
    Ok(())
}

#[test]
fn gradients_agree_with_finite_differences() -> Result<()> {
    for network in tiny() {
        let store = store(DType::F64);
        network.clone().build(Options::default(), store.var_builder())?;
        let vectors = procedural::input("gradients", &[2, 7, 3])?.to_dtype(DType::F64)?;
        gradient::check_network(&store.parameters(), &[], &vectors, |vb| {
            Ok(network.clone().build(Options::default(), vb)?)
        })?;
    }
    Ok(())
}

#[test]
fn a_frozen_table_gets_no_gradient_and_a_trained_one_does_but_for_padding() -> Result<()> {
    let vectors = procedural::input("table", &[6, 3])?;
    let vectors = vectors.slice_scatter(&Tensor::zeros((1, 3), DType::F32, &Device::Cpu)?, 0, 0)?;
    let texts = Tensor::new(&[[0u32, 0, 1, 2, 3, 1], [4, 3, 0, 2, 1, 1]], &Device::Cpu)?;
    for network in tiny() {
        let mut logits = Vec::new();
        for frozen in [true, false] {
            let store = store(DType::F32);
            let words = if frozen {
                WordTable::frozen(&vectors)?
            } else {
                WordTable::trained_from(&vectors, store.var_builder().pp("embedding"))?
            };
            assert_eq!(values(words.vectors())?, values(&vectors)?);
            let model = TextClassifier::new(
                words,
                network.clone().build(Options::default(), store.var_builder())?,
            );
            let y = model.forward_t(&texts, true)?;
            let gradients = y.sqr()?.sum_all()?.backward()?;
            for (name, var) in store.parameters() {
                let gradient = gradients.get(&var).unwrap_or_else(|| panic!("{name}")).abs()?;
                assert!(gradient.sum_all()?.to_scalar::<f32>()? > 0.0, "{name}");
                if name == "embedding.weight" {
                    assert_eq!(values(&gradient.i(0)?)?, [0.0; 3]);
                    assert_eq!(values(&gradient.i(5)?)?, [0.0; 3]);
                    // Max pooling ignores some words; this one is in the window of the maximum.
                    assert!(values(&gradient.i(2)?)?.iter().all(|&g| g > 0.0));
                }
            }
            assert_eq!(
                store.names().iter().filter(|name| name.starts_with("embedding")).count(),
                usize::from(!frozen)
            );
            logits.push(values(&y)?);
        }
        assert_eq!(logits[0], logits[1]);
    }
    Ok(())
}

/// Only the recurrent network skips padding. It treats a zero within a text as a word.
#[test]
fn padding_in_front_is_seen_as_documented() -> Result<()> {
    for network in tiny() {
        let store = store(DType::F32);
        let words = WordTable::trained(9, 3, store.var_builder().pp("embedding"))?;
        let recurrent = matches!(network, Network::BiGru(_));
        let model =
            TextClassifier::new(words, network.build(Options::default(), store.var_builder())?);
        let logits = |text: &[u32]| -> Result<Vec<f32>> {
            values(&model.forward_t(&Tensor::new(text, &Device::Cpu)?.unsqueeze(0)?, false)?)
        };
        let gap =
            |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let text = [3, 4, 5, 6, 7, 8];
        let [short, padded] = [logits(&text)?, logits(&[&[0, 0], &text[..]].concat())?];
        if recurrent {
            assert!(gap(&short, &padded) < 1e-6);
            assert!(gap(&logits(&[3, 4, 5, 0, 6, 7, 8])?, &logits(&[3, 4, 5, 6, 7, 8])?) > 1e-4);
            assert!(logits(&[0, 0, 0])?.iter().all(|v| v.is_finite()));
        }
        // The padded vectors, without information about the padding.
        let vectors =
            model.words().forward(&Tensor::new(&[[0u32, 0, 3, 4, 5, 6, 7, 8]], &Device::Cpu)?)?;
        let blind = values(&model.network().forward_t(&vectors, false)?)?;
        assert_eq!(gap(&blind, &padded) < 1e-6, !recurrent);
    }
    Ok(())
}

#[test]
fn dropout_is_before_the_last_layer_and_in_training_alone() -> Result<()> {
    for network in tiny() {
        let (store, head) = (store(DType::F32), network.head());
        let all = Options { dropout: Some(Dropout::new(1.0, 7)?) };
        let dropped = network.clone().build(all, store.var_builder())?;
        let plain = network.build(Options::default(), store.var_builder())?;
        let vectors = procedural::input("dropout", &[2, 8, 3])?;
        assert_eq!(
            values(&dropped.forward_t(&vectors, false)?)?,
            values(&plain.forward_t(&vectors, true)?)?
        );
        let bias = values(&store.state()[&format!("{head}.bias")])?;
        assert_eq!(values(&dropped.forward_t(&vectors, true)?)?, bias.repeat(2));
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    let zeros = |shape: &[usize]| Tensor::zeros(shape, DType::F32, &Device::Cpu);
    for (network, name, shortest) in tiny()
        .into_iter()
        .zip(["GlobalPoolingCNN", "TextCNN", "bidirectional GRU"])
        .zip([6, 3, 1])
        .map(|((n, name), s)| (n, name, s))
    {
        let model = network.build(Options::default(), store(DType::F32).var_builder())?;
        assert_eq!(model.shortest(), shortest);
        assert_eq!(model.forward_t(&zeros(&[2, shortest, 3])?, false)?.dims(), [2, 2]);
        let expected = format!(
            "{name}: vectors of shape [2, {}, 3], expected [N, L, 3] with L at least {shortest}",
            shortest - 1
        );
        let error = model.forward_t(&zeros(&[2, shortest - 1, 3])?, false).unwrap_err().to_string();
        assert!(error.contains(&expected), "{error}");
        assert!(model.forward_t(&zeros(&[2, 9, 4])?, false).is_err());
        for padding in [&[0][..], &[0, 10], &[0, 0, 0]] {
            let error =
                model.forward_padded(&zeros(&[2, 9, 3])?, padding, false).unwrap_err().to_string();
            assert!(
                error.contains("padding = [0") && error.contains("expected 2 numbers of at most 9"),
                "{error}"
            );
        }
    }
    let built = |network: Network| -> candle_core::Result<()> {
        network.build(Options::default(), store(DType::F32).var_builder())?;
        Ok(())
    };
    let [plain, empty, many] = [
        GlobalPoolingCnnConfig::new(3, 2),
        GlobalPoolingCnnConfig::new(0, 2),
        GlobalPoolingCnnConfig::new(3, 1 << 17),
    ];
    built(Network::GlobalPoolingCnn(plain))?;
    for (result, expected) in [
        (built(Network::GlobalPoolingCnn(empty)), "GlobalPoolingCNN: dim = 0, expected 1 to 65536"),
        (built(Network::GlobalPoolingCnn(many)), "GlobalPoolingCNN: classes = 131072"),
        (
            built(Network::TextCnn(TextCnnConfig { kernels: vec![], ..TextCnnConfig::new(3, 2) })),
            "kernels = [], expected 1 to 16",
        ),
        (
            built(Network::TextCnn(TextCnnConfig { kernels: vec![0], ..TextCnnConfig::new(3, 2) })),
            "TextCNN: a kernel = 0",
        ),
        (built(Network::BiGru(BiGruConfig::new(3, 0))), "bidirectional GRU: classes = 0"),
        (WordTable::frozen(&zeros(&[3])?).map(drop), "a table of shape [3], expected [V, D]"),
        (
            WordTable::frozen(&zeros(&[0, 3])?).map(drop),
            "expected words and floating-point vectors",
        ),
        (
            WordTable::frozen(&Tensor::ones((2, 3), DType::F32, &Device::Cpu)?).map(drop),
            "word number 0, which is padding, is not zeros",
        ),
        (
            WordTable::frozen(&zeros(&[2, 3])?)?
                .forward(&Tensor::zeros(3, DType::U32, &Device::Cpu)?)
                .map(drop),
            "word numbers of shape [3]",
        ),
        (
            WordTable::frozen(&zeros(&[2, 3])?)?
                .forward(&Tensor::new(&[[2u32]], &Device::Cpu)?)
                .map(drop),
            "index 2 at position 0",
        ),
    ] {
        let error = result.expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
    Ok(())
}
