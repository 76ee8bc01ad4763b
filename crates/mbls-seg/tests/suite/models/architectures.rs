//! Architectures by name.

use candle_core::{DType, Device, Shape, Tensor};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use mbls_nn::ParamStore;
use mbls_seg::model::{Architecture, Network, Options};
use std::collections::BTreeSet;
use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

#[test]
fn names_are_unique_and_come_back() -> Result<()> {
    let names: BTreeSet<String> =
        Architecture::all().map(|architecture| architecture.to_string()).collect();
    assert_eq!(names.len(), Architecture::all().count());
    for architecture in Architecture::all() {
        assert_eq!(architecture.to_string().parse::<Architecture>()?, architecture);
    }
    for name in
        ["", "deeplabv3", "deeplabv3-r51", "DeepLabV3-r50", "unet-r50-torchvision", "unet-r50 "]
    {
        let error = name.parse::<Architecture>().unwrap_err().to_string();
        assert!(
            error.contains(&format!("found {name:?}"))
                && error.contains("deeplabv3-r18, deeplabv3-r34"),
            "{error}"
        );
    }
    Ok(())
}

/// A backend that returns zeros, which are cheaper than initial values, and counts the parameters.
#[derive(Clone, Default)]
struct Counted(Arc<AtomicUsize>);

impl SimpleBackend for Counted {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _: Init,
        dtype: DType,
        device: &Device,
    ) -> candle_core::Result<Tensor> {
        if !name.contains(".running_") {
            self.0.fetch_add(shape.elem_count(), Ordering::Relaxed);
        }
        Tensor::zeros(shape, dtype, device)
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> candle_core::Result<Tensor> {
        candle_core::bail!("{name}: without a shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

#[test]
fn the_documents_list_all_with_their_numbers_of_parameters() -> Result<()> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/models.md");
    let text = std::fs::read_to_string(path)?;
    let section = text.split("\n## ").find(|section| section.starts_with("Segmentation networks"));
    let cells = |line: &str| {
        line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect::<Vec<_>>()
    };
    let rows =
        section.expect("a section").lines().filter(|line| line.starts_with("| `")).map(cells);
    let found: Vec<_> = rows.map(|row| [row[1].clone(), row[2].clone(), row[3].clone()]).collect();
    let mut expected = Vec::new();
    for architecture in Architecture::all() {
        let (network, counted) = (architecture.network(21, 3)?, Counted::default());
        let head = network.head();
        let vb = VarBuilder::from_backend(Box::new(counted.clone()), DType::F32, Device::Cpu);
        network.build(Options::default(), vb)?;
        let digits = counted.0.load(Ordering::Relaxed).to_string();
        let groups: Vec<&str> =
            digits.as_bytes().rchunks(3).rev().map(|c| std::str::from_utf8(c).unwrap()).collect();
        expected.push([architecture.to_string(), head.to_owned(), groups.join(",")]);
    }
    assert_eq!(found, expected, "{path}");
    Ok(())
}

#[test]
fn classes_and_channels_are_those_asked_for() -> Result<()> {
    for name in ["deeplabv3-r18", "deeplabv3plus-r18", "unet-r18"] {
        let architecture: Architecture = name.parse()?;
        let store = ParamStore::new(0, DType::F32, &Device::Cpu);
        let model = architecture.network(5, 1)?.build(Options::default(), store.var_builder())?;
        let logits =
            model.forward_t(&Tensor::zeros((1, 1, 32, 32), DType::F32, &Device::Cpu)?, false)?;
        assert_eq!(logits.dims(), [1, 5, 32, 32], "{name}");
        for (classes, channels, expected) in [(0, 3, "classes = 0"), (2, 0, "in_channels = 0")] {
            let error = architecture.network(classes, channels).unwrap_err().to_string();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }
    let network =
        |name: &str| Ok::<_, Box<dyn Error>>(name.parse::<Architecture>()?.network(21, 3)?);
    let deeplab = [network("deeplabv3-r50")?, network("deeplabv3-r50-torchvision")?];
    assert_eq!(deeplab.each_ref().map(Network::encoder), ["encoder", "backbone"]);
    assert_eq!(deeplab.each_ref().map(Network::dropout), [Some(0.5); 2]);
    assert_eq!(network("unet-r50")?.dropout(), None);
    Ok(())
}
