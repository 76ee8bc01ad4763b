//! Tests of networks by name: all can be built, have the known sizes, and reject invalid input with
//! an error.

use super::{noise, store};
use candle_core::{DType, Device, Result, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, ModuleT, VarBuilder};
use mbls_nn::Dropout;
use mbls_vision::model::{
    Architecture, Block, DenseNet, DenseNetConfig, Network, Options, ResNet, ResNetConfig,
    Shortcut, StageDilation,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts trained numbers and returns zeros, which take no memory until they are written.
struct Count(Arc<AtomicUsize>);

impl SimpleBackend for Count {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        if !name.contains(".running_") {
            self.0.fetch_add(shape.elem_count(), Ordering::Relaxed);
        }
        Tensor::zeros(shape, dtype, device)
    }

    fn get_unchecked(&self, name: &str, _dtype: DType, _device: &Device) -> Result<Tensor> {
        candle_core::bail!("{name}: without a shape")
    }

    fn contains_tensor(&self, _name: &str) -> bool {
        true
    }
}

fn parameters(architecture: Architecture, classes: usize, shape: [usize; 3]) -> Result<usize> {
    let count = Arc::default();
    let vb = VarBuilder::from_backend(Box::new(Count(Arc::clone(&count))), DType::F32, Device::Cpu);
    architecture.build(classes, shape, Options::default(), vb)?;
    Ok(count.load(Ordering::Relaxed))
}

fn named(name: &str) -> Architecture {
    name.parse().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn torchvisions_networks_have_its_numbers_of_parameters() -> Result<()> {
    let known = [
        ("resnet18", 11_689_512),
        ("resnet34", 21_797_672),
        ("resnet50", 25_557_032),
        ("resnet101", 44_549_160),
        ("resnet152", 60_192_808),
        ("resnext50-32x4d", 25_028_904),
        ("resnext101-32x8d", 88_791_336),
        ("wide-resnet50-2", 68_883_240),
        ("wide-resnet101-2", 126_886_696),
    ];
    for (name, expected) in known {
        assert_eq!(named(name).origin(), "torchvision");
        assert_eq!(parameters(named(name), 1000, [3, 224, 224])?, expected, "{name}");
    }
    let all =
        Architecture::all().filter(|architecture| architecture.origin() == "torchvision").count();
    assert_eq!(all, known.len());
    Ok(())
}

#[test]
fn the_documents_list_all_with_their_numbers_of_parameters() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/models.md");
    let text = std::fs::read_to_string(path).expect(path);
    let cells = |line: &str| {
        line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>()
    };
    // The sections below are about other crates.
    let table = text.split("\n## ").next().unwrap_or_default();
    let rows: Vec<_> = table.lines().filter(|line| line.starts_with("| `")).map(cells).collect();
    let mut expected = Vec::new();
    for architecture in Architecture::all() {
        // The data that the network is for.
        let (classes, shape) = match architecture.name() {
            "small-cnn" => (10, [1, 8, 8]),
            name if name.ends_with("-tiny") => (200, [3, 64, 64]),
            _ if architecture.origin() == "torchvision" => (1000, [3, 224, 224]),
            _ => (10, [3, 32, 32]),
        };
        let digits = parameters(architecture, classes, shape)?.to_string();
        let groups: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().map(|c| std::str::from_utf8(c).unwrap()).collect();
        expected.push([
            architecture.name().to_owned(),
            architecture.origin().to_owned(),
            groups.join(","),
        ]);
    }
    let found: Vec<_> =
        rows.iter().map(|row| [row[1].clone(), row[2].clone(), row[3].clone()]).collect();
    assert_eq!(found, expected, "{path}");
    Ok(())
}

#[test]
fn names_are_unique_and_come_back() {
    for architecture in Architecture::all() {
        assert_eq!(named(architecture.name()), architecture);
        assert_eq!(architecture.to_string(), architecture.name());
    }
    let names: std::collections::BTreeSet<_> =
        Architecture::all().map(Architecture::name).collect();
    assert_eq!(names.len(), Architecture::all().count());
    for name in ["", "resnet51", "ResNet50", "resnet50 ", "vgg16"] {
        let error = name.parse::<Architecture>().unwrap_err().to_string();
        assert!(
            error.contains(&format!("found {name:?}")) && error.contains("small-cnn, resnet20"),
            "{error}"
        );
    }
}

#[test]
fn small_ones_of_each_kind_make_logits_of_the_smallest_images() -> Result<()> {
    for (name, side) in [
        ("small-cnn", 2),
        ("resnet20", 4),
        ("resnet18-cifar", 8),
        ("resnet18-tiny", 16),
        ("resnet18", 32),
        ("densenet121-cifar", 8),
    ] {
        let store = store();
        let model =
            named(name).build(7, [1, side, side + 1], Options::default(), store.var_builder())?;
        let images = noise(&[2, 1, side, side + 1], 1).to_dtype(DType::F32)?;
        assert_eq!(model.forward_t(&images, true)?.dims(), [2, 7], "{name}");
        let wrong = model
            .forward_t(&noise(&[2, 3, side, side + 1], 1).to_dtype(DType::F32)?, false)
            .unwrap_err();
        assert!(
            wrong.to_string().contains(&format!("images of shape [2, 3, {side}, ")),
            "{name}: {wrong}"
        );
        let less = model.forward_t(&images.narrow(2, 0, side - 1)?, false).unwrap_err().to_string();
        assert!(less.contains(&format!("images of shape [2, 1, {}, ", side - 1)), "{name}: {less}");
        let error = |classes, shape| named(name).network(classes, shape).unwrap_err().to_string();
        let less = format!("image size = {}x64, expected at least {side}x{side}", side - 1);
        for (found, expected) in [
            (error(0, [3, 64, 64]), "classes = 0, expected at least 1"),
            (error(7, [0, 64, 64]), "channels = 0, expected at least 1"),
            (error(7, [3, side - 1, 64]), &less),
        ] {
            assert!(found.starts_with(&format!("{name}: {expected}")), "{found}");
        }
    }
    Ok(())
}

#[test]
fn dropout_comes_before_the_classifier() -> Result<()> {
    for name in ["small-cnn", "resnet20", "densenet121-cifar"] {
        let (store, plain) = (store(), super::store());
        // All features are dropped, so only the bias is left.
        let dropout = Dropout::new(1.0, 3)?;
        let options = Options { dropout: Some(dropout.clone()) };
        let model = named(name).build(5, [3, 16, 16], options, store.var_builder())?;
        let without = named(name).build(5, [3, 16, 16], Options::default(), plain.var_builder())?;
        assert_eq!(store.names(), plain.names());
        let images = noise(&[3, 3, 16, 16], 2).to_dtype(DType::F32)?;
        let logits = |model: &dyn ModuleT, train| model.forward_t(&images, train)?.to_vec2::<f32>();
        assert_eq!(logits(&*model, false)?, logits(&*without, false)?, "{name}");
        let bias = store.state()[&format!("{}.bias", named(name).network(5, [3, 16, 16])?.head())]
            .to_vec1::<f32>()?;
        assert_eq!(logits(&*model, true)?, vec![bias; 3], "{name}");
        assert_eq!(dropout.position(), 1, "{name}: the position is shared");
    }
    Ok(())
}

#[test]
fn weights_start_as_those_of_their_origin() -> Result<()> {
    for (name, key, uniform) in [
        ("resnet18-cifar", "layer2.0.conv2.weight", true),
        ("densenet121-cifar", "dense1.0.conv2.weight", true),
        ("resnet20", "layer2.0.conv2.weight", false),
        ("resnet18-tiny", "layer2.0.conv2.weight", false),
        ("resnet18", "layer2.0.conv2.weight", false),
    ] {
        let store = store();
        named(name).build(3, [3, 64, 64], Options::default(), store.var_builder())?;
        let weight = store.state()[key].clone();
        let [outputs, inputs, rows, columns] = weight.dims()[..] else {
            panic!("{name}: {weight:?}")
        };
        let values = weight.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let variance = values.iter().map(|v| v * v).sum::<f64>() / values.len() as f64;
        let largest = values.iter().fold(0.0, |max: f64, v| max.max(v.abs()));
        let bound = (1.0 / (inputs * rows * columns) as f64).sqrt();
        // PyTorch's default is uniform within the bound; torchvision's networks use a normal
        // distribution scaled by the fan-out.
        let expected =
            if uniform { bound * bound / 3.0 } else { 2.0 / (outputs * rows * columns) as f64 };
        assert!(
            (variance / expected - 1.0).abs() < 0.05,
            "{name}: variance {variance}, expected {expected}"
        );
        assert_eq!(largest <= bound, uniform, "{name}: {largest} of {bound}");
    }
    Ok(())
}

#[test]
fn settings_out_of_range_are_refused() -> Result<()> {
    let good = ResNetConfig::torchvision(18, 5)?;
    let cases = [
        (ResNetConfig { classes: 0, ..good.clone() }, "classes = 0"),
        (ResNetConfig { in_channels: 0, ..good.clone() }, "in_channels = 0"),
        (ResNetConfig { width: 0, ..good.clone() }, "width = 0"),
        (ResNetConfig { width: usize::MAX, ..good.clone() }, "width = 18446744073709551615"),
        (
            ResNetConfig { width: 60_000, ..good.clone() },
            "channels of the last stage = 480000 and 480000",
        ),
        (ResNetConfig { pool: 0, ..good.clone() }, "pool = 0"),
        (ResNetConfig { stages: vec![], ..good.clone() }, "stages = []"),
        (ResNetConfig { stages: vec![1, 0], ..good.clone() }, "stages = [1, 0]"),
        (
            ResNetConfig { stages: vec![1; 9], ..good.clone() },
            "stages = [1, 1, 1, 1, 1, 1, 1, 1, 1]",
        ),
        (ResNetConfig { groups: 2, ..good.clone() }, "expected 1 and 64 with basic blocks"),
        (
            ResNetConfig { block: Block::Bottleneck, width: 8, width_per_group: 4, ..good.clone() },
            "width_per_group = 8 and 4",
        ),
        (
            ResNetConfig { block: Block::Bottleneck, width_per_group: 0, ..good.clone() },
            "width_per_group = 0",
        ),
        (
            ResNetConfig { dilation: vec![StageDilation::Stride; 5], ..good.clone() },
            "number of dilations = 5",
        ),
        (
            ResNetConfig { shortcut: Shortcut::Identity, width: 8, ..good.clone() },
            "stem_width = 64",
        ),
    ];
    for (config, expected) in cases {
        let error = ResNet::new(config, store().var_builder()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
    let good = DenseNetConfig { growth: 4, blocks: vec![1; 4], in_channels: 3, classes: 5 };
    for (config, expected) in [
        (DenseNetConfig { classes: 0, ..good.clone() }, "classes = 0"),
        (DenseNetConfig { growth: 0, ..good.clone() }, "growth = 0"),
        (DenseNetConfig { in_channels: 0, ..good.clone() }, "in_channels = 0"),
        (DenseNetConfig { blocks: vec![], ..good.clone() }, "blocks = []"),
        (DenseNetConfig { blocks: vec![1, 0], ..good.clone() }, "blocks = [1, 0]"),
        (DenseNetConfig { growth: 60_000, ..good.clone() }, "most channels = "),
    ] {
        let error = DenseNet::new(config, store().var_builder()).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, expected {expected}");
    }
    assert!(
        ResNetConfig::cifar(20, 5).unwrap_err().to_string().contains("expected one of 18, 34, 50")
    );
    assert!(
        DenseNetConfig::cifar(120, 5).unwrap_err().to_string().contains("expected one of 121, 161")
    );
    for depth in [0, 4, 7, 9, 27, 30] {
        let error = ResNetConfig::wide_cifar(depth, 1, 5).unwrap_err().to_string();
        assert!(error.contains(&format!("depth = {depth}")), "{error}");
    }
    assert_eq!(ResNetConfig::wide_cifar(26, 10, 5)?, ResNetConfig::wide_cifar(28, 10, 5)?);
    assert!(
        ResNet::new(ResNetConfig::wide_cifar(8, usize::MAX, 5)?, store().var_builder()).is_err()
    );
    assert!(
        matches!(named("resnet20").network(10, [3, 32, 32])?, Network::ResNet(config) if config.stages == [3; 3])
    );
    Ok(())
}
