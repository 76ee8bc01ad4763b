//! Tests of the small networks: sizes, names, shapes, running statistics, the identity shortcut,
//! learning.

use super::{count, noise, store};
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_data::{DataLoader, LoaderConfig, Order, Seed, stratified_split};
use mbls_nn::{Optimizer, ParamStore, Sgd, SgdConfig};
use mbls_vision::model::{CifarResNet, CifarResNetConfig, Shortcut, SmallCnn, SmallCnnConfig};
use mbls_vision::transform::Normalise;
use mbls_vision::{AugmentedImages, ImageCollate, ImageSource, dataset::digits};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

/// Enough epochs for 97 % accuracy on the digits.
const EPOCHS: usize = 5;

#[test]
fn cifar_resnets_have_the_published_sizes() -> Result<()> {
    // Counts convolutions, linear layer and batch norms, for 10 classes; 0.27, 0.46, 0.66, 0.85 and 1.7
    // million in table 6 of the paper.
    let configs = [
        (CifarResNetConfig::resnet20(10), 269_722),
        (CifarResNetConfig::resnet32(10), 464_154),
        (CifarResNetConfig::resnet44(10), 658_586),
        (CifarResNetConfig::resnet56(10), 853_018),
        (CifarResNetConfig::resnet110(10), 1_727_962),
        (
            CifarResNetConfig { shortcut: Shortcut::Projection, ..CifarResNetConfig::resnet20(10) },
            272_474,
        ),
    ];
    for (config, expected) in configs {
        let store = store();
        let model = CifarResNet::new(config, store.var_builder())?;
        assert_eq!(count(&store.parameters()), expected, "{:?}", model.config());
    }
    Ok(())
}

#[test]
fn names_are_those_of_torch_state_dicts() -> Result<()> {
    let names = |shortcut| -> Result<Vec<String>> {
        let store = store();
        CifarResNet::new(
            CifarResNetConfig { shortcut, ..CifarResNetConfig::resnet20(10) },
            store.var_builder(),
        )?;
        Ok(store.state().into_keys().collect())
    };
    let norm = |name: &str| {
        ["weight", "bias", "running_mean", "running_var"]
            .map(|part| format!("{name}.{part}"))
            .to_vec()
    };
    let mut expected = vec!["conv1.weight".to_owned(), "fc.weight".into(), "fc.bias".into()];
    expected.extend(norm("bn1"));
    for (layer, block, part) in
        (1..4).flat_map(|l| (0..3).flat_map(move |b| [(l, b, 1), (l, b, 2)]))
    {
        expected.push(format!("layer{layer}.{block}.conv{part}.weight"));
        expected.extend(norm(&format!("layer{layer}.{block}.bn{part}")));
    }
    expected.sort();
    assert_eq!(names(Shortcut::Identity)?, expected);
    for layer in [2, 3] {
        expected.push(format!("layer{layer}.0.shortcut.0.weight"));
        expected.extend(norm(&format!("layer{layer}.0.shortcut.1")));
    }
    expected.sort();
    assert_eq!(names(Shortcut::Projection)?, expected);

    let store = store();
    SmallCnn::new(SmallCnnConfig::for_input([1, 8, 8], 10), store.var_builder())?;
    let mut expected = vec!["fc.weight".to_owned(), "fc.bias".into()];
    for i in 1..4 {
        expected.push(format!("conv{i}.weight"));
        expected.extend(norm(&format!("bn{i}")));
    }
    expected.sort();
    assert_eq!(store.state().into_keys().collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn logits_have_one_row_per_image() -> Result<()> {
    for [channels, height, width] in [[1, 8, 8], [1, 28, 28], [3, 32, 32], [2, 9, 17], [1, 2, 3]] {
        let store = store();
        let model = SmallCnn::new(
            SmallCnnConfig::for_input([channels, height, width], 7),
            store.var_builder(),
        )?;
        let images = noise(&[3, channels, height, width], 1).to_dtype(DType::F32)?;
        for train in [false, true] {
            assert_eq!(model.forward_t(&images, train)?.dims(), [3, 7]);
        }
    }
    for shortcut in [Shortcut::Identity, Shortcut::Projection] {
        for [height, width] in [[32, 32], [9, 15], [8, 11]] {
            let store = store();
            let config = CifarResNetConfig {
                blocks: 1,
                shortcut,
                width: 4,
                ..CifarResNetConfig::resnet20(7)
            };
            let model = CifarResNet::new(config, store.var_builder())?;
            let images = noise(&[2, 3, height, width], 1).to_dtype(DType::F32)?;
            assert_eq!(model.forward_t(&images, true)?.dims(), [2, 7]);
        }
    }
    Ok(())
}

#[test]
fn images_that_do_not_fit_are_refused() -> Result<()> {
    let store = store();
    let model = SmallCnn::new(SmallCnnConfig::for_input([1, 16, 16], 7), store.var_builder())?;
    let error = model
        .forward_t(&Tensor::zeros((1, 1, 3, 16), DType::F32, &Device::Cpu)?, false)
        .unwrap_err();
    assert!(
        error.to_string().contains("[1, 1, 3, 16], expected [N, C, H, W] of [1, 16, 16]"),
        "{error}"
    );
    let small = SmallCnnConfig { pool_first: true, ..SmallCnnConfig::for_input([1, 3, 16], 7) };
    let error = SmallCnn::new(small, store.var_builder().pp("small")).unwrap_err();
    assert!(error.to_string().contains("image size = 3x16, expected at least 4x4"), "{error}");
    assert!(
        model.forward_t(&Tensor::zeros((1, 3, 16, 16), DType::F32, &Device::Cpu)?, false).is_err()
    );
    let config = CifarResNetConfig { blocks: 0, ..CifarResNetConfig::resnet20(10) };
    assert!(CifarResNet::new(config, store.var_builder().pp("other")).is_err());
    Ok(())
}

#[test]
fn training_moves_the_running_statistics_and_evaluation_does_not() -> Result<()> {
    type Network = fn(VarBuilder) -> Result<Box<dyn ModuleT>>;
    let networks: [Network; 2] = [
        |vb| Ok(Box::new(SmallCnn::new(SmallCnnConfig::for_input([3, 16, 16], 5), vb)?)),
        |vb| Ok(Box::new(CifarResNet::new(CifarResNetConfig::resnet20(5), vb)?)),
    ];
    let images = noise(&[4, 3, 16, 16], 2).to_dtype(DType::F32)?;
    for network in networks {
        let store = store();
        let model = network(store.var_builder())?;
        let buffers = || -> Result<Vec<Vec<f32>>> {
            store.buffers().iter().map(|(_, var)| var.to_vec1()).collect()
        };
        let before = buffers()?;
        let evaluated = model.forward_t(&images, false)?.to_vec2::<f32>()?;
        assert_eq!(before, buffers()?);
        let trained = model.forward_t(&images, true)?.to_vec2::<f32>()?;
        assert_ne!(evaluated, trained);
        assert!(
            before.iter().zip(buffers()?).all(|(before, after)| *before != after),
            "a batch norm did not move"
        );
        // A row of an evaluation does not depend on the other rows; a row of a training step does.
        let evaluated = model.forward_t(&images, false)?.narrow(0, 0, 1)?.to_vec2::<f32>()?;
        let alone = model.forward_t(&images.narrow(0, 0, 1)?, false)?.to_vec2::<f32>()?;
        assert!(
            evaluated[0]
                .iter()
                .zip(&alone[0])
                .all(|(a, b)| (a - b).abs() <= 1e-5 * (1.0 + a.abs()))
        );
    }
    Ok(())
}

#[test]
fn the_identity_shortcut_takes_every_second_pixel_between_zeros() -> Result<()> {
    // With all convolutions 0 a block is relu(shortcut); the batch norms only scale values by 1 /
    // sqrt(1 + eps).
    let config = CifarResNetConfig {
        blocks: 1,
        classes: 8,
        in_channels: 2,
        width: 2,
        shortcut: Shortcut::Identity,
    };
    let store = ParamStore::new(3, DType::F64, &Device::Cpu);
    CifarResNet::new(config.clone(), store.var_builder())?;
    let mut state: HashMap<String, Tensor> = store.state().into_iter().collect();
    for (name, tensor) in &mut state {
        if name.contains("conv") || name == "fc.weight" || name == "fc.bias" {
            *tensor = tensor.zeros_like()?;
        }
    }
    // The first convolution copies its two channels, the linear layer its eight inputs.
    let mut copy = vec![0f64; 2 * 2 * 9];
    (copy[4], copy[3 * 9 + 4]) = (1.0, 1.0);
    state.insert("conv1.weight".into(), Tensor::from_vec(copy, (2, 2, 3, 3), &Device::Cpu)?);
    state.insert("fc.weight".into(), Tensor::eye(8, DType::F64, &Device::Cpu)?);
    let model =
        CifarResNet::new(config, VarBuilder::from_tensors(state, DType::F64, &Device::Cpu))?;
    let images = noise(&[1, 2, 7, 6], 5);
    let logits = model.forward_t(&images, false)?.flatten_all()?.to_vec1::<f64>()?;
    let pixels = images.flatten_all()?.to_vec1::<f64>()?;
    // Every second pixel, twice: rows 0 and 4, columns 0 and 4.
    let places = [(0, 0), (0, 4), (4, 0), (4, 4)];
    let mean = |channel: usize| {
        places.iter().map(|(y, x)| pixels[(channel * 7 + y) * 6 + x].max(0.0)).sum::<f64>() / 4.0
    };
    let expected = [0.0, 0.0, 0.0, mean(0), mean(1), 0.0, 0.0, 0.0];
    for (found, expected) in logits.iter().zip(expected) {
        assert!(
            (found - expected / (1.0 + 1e-5f64).sqrt()).abs() < 1e-12,
            "{logits:?} for {expected:?}"
        );
    }
    Ok(())
}

#[test]
fn the_small_cnn_learns_the_digits() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/digits/digits.csv.gz");
    let images = Arc::new(digits::load(path).unwrap());
    let parts = stratified_split(images.labels(), &[1000, 797], Seed(1)).unwrap();
    let loader = |part: usize, order| {
        let data = AugmentedImages::new(images.clone(), parts[part].clone()).unwrap();
        let data = data.with_normalisation(Normalise::digits()).unwrap();
        let config =
            LoaderConfig { batch_size: 50, order, drop_last: false, workers: 0, seed: Seed(2) };
        DataLoader::new(Arc::new(data), Arc::new(ImageCollate), config).unwrap()
    };
    let (train, test) = (loader(0, Order::Shuffled), loader(1, Order::Sequential));
    let store = store();
    let model = SmallCnn::new(
        SmallCnnConfig::for_input(images.shape(), images.classes()),
        store.var_builder(),
    )
    .unwrap();
    let mut optimizer =
        Sgd::new(store.parameters(), SgdConfig { momentum: 0.9, ..SgdConfig::default() }).unwrap();
    for epoch in 0..EPOCHS {
        for batch in train.epoch(epoch) {
            let batch = batch.unwrap();
            let (pixels, labels) =
                (batch.images(&Device::Cpu).unwrap(), batch.labels(&Device::Cpu).unwrap());
            let loss =
                candle_nn::loss::cross_entropy(&model.forward_t(&pixels, true).unwrap(), &labels)
                    .unwrap();
            optimizer.step(&loss.backward().unwrap(), 0.05).unwrap();
        }
    }
    let mut correct = 0;
    for batch in test.epoch(0) {
        let batch = batch.unwrap();
        let logits = model.forward_t(&batch.images(&Device::Cpu).unwrap(), false).unwrap();
        let predicted = logits.argmax(1).unwrap().to_vec1::<u32>().unwrap();
        correct += predicted.iter().zip(&batch.labels).filter(|(a, b)| a == b).count();
    }
    assert!(correct >= 773, "{correct} of 797 right after {EPOCHS} epochs, expected at least 97 %");
}
