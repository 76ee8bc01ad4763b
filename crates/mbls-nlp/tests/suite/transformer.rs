//! Heads on small frozen transformers with random weights, and a test of why they are frozen.

use candle_core::{DType, Device, IndexOp, Module, Tensor};
use candle_nn::ModuleT;
use candle_transformers::models::{bert, distilbert};
use mbls_nlp::model::{FrozenEncoder, TransformerClassifier};
use mbls_nn::{Optimizer, ParamStore, Sgd, SgdConfig};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::error::Error;
use std::path::Path;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn configs() -> [Value; 2] {
    [
        json!({
            "model_type": "bert", "vocab_size": 20, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
            "intermediate_size": 16, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "max_position_embeddings": 12,
            "type_vocab_size": 2, "initializer_range": 0.02, "layer_norm_eps": 1e-12, "pad_token_id": 0,
        }),
        json!({
            "model_type": "distilbert", "vocab_size": 20, "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 16,
            "activation": "gelu", "max_position_embeddings": 12, "initializer_range": 0.02, "pad_token_id": 0,
        }),
    ]
}

fn tokens(rows: &[[u32; 5]]) -> Result<Tensor> {
    Ok(Tensor::from_slice(rows.as_flattened(), (rows.len(), 5), &Device::Cpu)?)
}

/// Computes the hidden states of candle's model of this configuration, with variables from `store`.
fn hidden(config: &Value, store: &ParamStore, tokens: &Tensor) -> Result<Tensor> {
    Ok(if config["model_type"] == "bert" {
        let config: bert::Config = serde_json::from_value(config.clone())?;
        bert::BertModel::load(store.var_builder(), &config)?.forward(
            tokens,
            &tokens.zeros_like()?,
            None,
        )?
    } else {
        let config: distilbert::Config = serde_json::from_value(config.clone())?;
        let nothing = tokens.zeros_like()?.to_dtype(DType::U8)?.unsqueeze(1)?.unsqueeze(1)?;
        distilbert::DistilBertModel::load(store.var_builder(), &config)?
            .forward(tokens, &nothing)?
    })
}

/// Writes a model with random weights, which are also in the store.
fn write(directory: &Path, config: &Value) -> Result<ParamStore> {
    let store = ParamStore::new(5, DType::F32, &Device::Cpu);
    hidden(config, &store, &tokens(&[[1; 5]])?)?;
    std::fs::write(directory.join("config.json"), config.to_string())?;
    std::fs::write(directory.join("model.safetensors"), store.to_safetensors()?)?;
    Ok(store)
}

fn read(directory: &Path) -> mbls_data::Result<FrozenEncoder> {
    FrozenEncoder::from_files(
        directory.join("config.json"),
        directory.join("model.safetensors"),
        &Device::Cpu,
    )
}

/// If this test fails, candle's layer normalisation has a gradient and the encoder can be
/// fine-tuned.
#[test]
fn candles_encoders_pass_no_gradient_back() -> Result<()> {
    for config in configs() {
        let store = ParamStore::new(5, DType::F32, &Device::Cpu);
        let states = hidden(&config, &store, &tokens(&[[1, 2, 3, 4, 5]])?)?;
        let gradients = states.sqr()?.sum_all()?.backward()?;
        let reached: Vec<String> = store
            .parameters()
            .into_iter()
            .filter(|(_, var)| gradients.get(var).is_some())
            .map(|(name, _)| name)
            .collect();
        assert!(store.parameters().len() > 30);
        assert_eq!(reached, Vec::<String>::new(), "{}", config["model_type"]);
    }
    Ok(())
}

#[test]
fn the_features_are_those_of_candles_model_and_padding_behind_is_not_seen() -> Result<()> {
    for config in configs() {
        let directory = tempfile::tempdir()?;
        let store = write(directory.path(), &config)?;
        let encoder = read(directory.path())?;
        assert_eq!((encoder.dim(), encoder.longest(), encoder.padding()), (8, 12, 0));
        let texts = tokens(&[[1, 2, 3, 4, 5], [6, 7, 8, 9, 10]])?;
        let found = encoder.forward(&texts)?;
        assert!(!found.track_op());
        let expected = hidden(&config, &store, &texts)?.i((.., 0))?;
        let gap =
            |a: &Tensor, b: &Tensor| -> Result<f32> { Ok((a - b)?.abs()?.max_all()?.to_scalar()?) };
        assert!(gap(&found, &expected)? < 1e-6);
        let padded = encoder.forward(&tokens(&[[1, 2, 3, 0, 0]])?)?;
        let short = encoder.forward(&Tensor::new(&[[1u32, 2, 3]], &Device::Cpu)?)?;
        let longer = encoder.forward(&tokens(&[[1, 2, 3, 4, 4]])?)?;
        assert!(gap(&padded, &short)? < 1e-6 && gap(&longer, &short)? > 1e-4);
        // Only padding.
        let nothing = encoder.forward(&tokens(&[[0; 5]])?)?.to_vec2::<f32>()?;
        assert!(nothing[0].iter().all(|v| v.is_finite()));
    }
    Ok(())
}

/// Wrappers add a prefix to all names; the `encoder.` of BERT is not such a prefix.
#[test]
fn the_prefixes_of_wrappers_are_taken_off_and_said() -> Result<()> {
    for config in configs() {
        let kind = config["model_type"].as_str().expect("a name");
        let directory = tempfile::tempdir()?;
        let store = write(directory.path(), &config)?;
        let texts = tokens(&[[1, 2, 3, 4, 5]])?;
        let expected = read(directory.path())?.forward(&texts)?.to_vec2::<f32>()?;
        for prefix in [
            "",
            "module.",
            "_orig_mod.",
            "model.",
            "net.",
            "encoder.",
            "model.module.",
            "module.encoder.",
        ] {
            for own in [String::new(), format!("{kind}.")] {
                let mut state: HashMap<String, Tensor> = store
                    .state()
                    .into_iter()
                    .map(|(name, tensor)| (format!("{prefix}{own}{name}"), tensor))
                    .collect();
                // Additional tensors of a head and a counter are ignored.
                state.insert(
                    format!("{prefix}classifier.bias"),
                    Tensor::zeros(2, DType::F32, &Device::Cpu)?,
                );
                state.insert("n_averaged".into(), Tensor::new(3i64, &Device::Cpu)?);
                candle_core::safetensors::save(&state, directory.path().join("model.safetensors"))?;
                let encoder =
                    read(directory.path()).map_err(|error| format!("{prefix}{own}: {error}"))?;
                assert_eq!(encoder.prefix(), prefix, "{own}");
                assert_eq!(encoder.forward(&texts)?.to_vec2::<f32>()?, expected, "{prefix}{own}");
            }
        }
    }
    Ok(())
}

#[test]
fn the_head_learns_and_is_all_that_does() -> Result<()> {
    for config in configs() {
        let directory = tempfile::tempdir()?;
        write(directory.path(), &config)?;
        let store = ParamStore::new(1, DType::F32, &Device::Cpu);
        let model =
            TransformerClassifier::new(read(directory.path())?, 2, None, store.var_builder())?;
        let names = [
            "pre_classifier.weight",
            "pre_classifier.bias",
            "classifier.weight",
            "classifier.bias",
        ];
        assert_eq!(store.names(), names);
        let texts =
            tokens(&[[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 2, 13, 4, 0], [5, 4, 3, 0, 0]])?;
        let labels = Tensor::new(&[0u32, 1, 0, 1], &Device::Cpu)?;
        let features = model.encoder().forward(&texts)?.to_vec2::<f32>()?;
        let mut optimizer = Sgd::new(store.parameters(), SgdConfig::default())?;
        let mut losses = Vec::new();
        for _ in 0..60 {
            let loss = candle_nn::loss::cross_entropy(&model.forward_t(&texts, true)?, &labels)?;
            let gradients = loss.backward()?;
            assert!(store.parameters().iter().all(|(_, var)| gradients.get(var).is_some()));
            optimizer.step(&gradients, 0.2)?;
            losses.push(loss.to_scalar::<f32>()?);
        }
        assert!(losses[59] < 0.5 * losses[0], "{losses:?}");
        assert_eq!(model.encoder().forward(&texts)?.to_vec2::<f32>()?, features);
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_named() -> Result<()> {
    for config in configs() {
        let directory = tempfile::tempdir()?;
        write(directory.path(), &config)?;
        let (heads, dim) = if config["model_type"] == "bert" {
            ("num_attention_heads", "hidden_size")
        } else {
            ("n_heads", "dim")
        };
        for (field, value, expected) in [
            ("model_type", json!("gpt2"), "model_type: expected bert or distilbert, found gpt2"),
            (heads, json!(0), "expected 1 to 16777216, found 0"),
            (heads, json!(3), "the number of heads: expected a divisor of 8, found 3"),
            (dim, json!(4), "the weights: expected those of"),
            ("vocab_size", json!(null), "vocab_size: expected 1 to"),
            ("pad_token_id", json!(20), "pad_token_id: expected less than 20, found 20"),
        ] {
            let mut changed = config.clone();
            changed[field] = value;
            std::fs::write(directory.path().join("config.json"), changed.to_string())?;
            let error = read(directory.path()).err().expect(expected).to_string();
            assert!(error.contains(expected), "{error}, expected {expected}");
        }
        std::fs::write(directory.path().join("config.json"), "{")?;
        assert!(
            read(directory.path()).err().expect("an error").to_string().contains("config.json")
        );
        std::fs::write(directory.path().join("config.json"), config.to_string())?;
        let encoder = read(directory.path())?;
        for (tokens, expected) in [
            (Tensor::zeros((1, 13), DType::U32, &Device::Cpu)?, "L at most 12"),
            (Tensor::zeros((1, 0), DType::U32, &Device::Cpu)?, "L at most 12"),
            (Tensor::zeros((1, 5), DType::I64, &Device::Cpu)?, "expected tokens (U32)"),
            (Tensor::new(&[[20u32]], &Device::Cpu)?, "token 20, expected less than the 20 words"),
        ] {
            let error = encoder.forward(&tokens).expect_err(expected).to_string();
            assert!(error.contains(expected), "{error}, expected {expected}");
        }
        std::fs::write(directory.path().join("model.safetensors"), [0; 9])?;
        assert!(
            read(directory.path())
                .err()
                .expect("an error")
                .to_string()
                .contains("model.safetensors")
        );
    }
    Ok(())
}
