//! Invalid and inconsistent files of classifiers.

use super::support::{Trained, trained};
use candle_core::{DType, Device, Tensor};
use mbls_core::calibration::{Assessment, CalibrationRecord, TemperatureScaling};
use mbls_nlp::classifier::CalibratedClassifier;
use mbls_nlp::model::{Network, TextCnnConfig};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;

fn small(seed: u64) -> Trained {
    trained(
        Network::TextCnn(TextCnnConfig { dim: 4, kernels: vec![1, 3], channels: 2, classes: 3 }),
        true,
        6,
        seed,
    )
}

fn saved(seed: u64) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    small(seed).classifier().save(folder.path()).unwrap();
    folder
}

fn assert_error(folder: &Path, expected: &str) {
    let error = CalibratedClassifier::load(folder, &Device::Cpu).expect_err(expected).to_string();
    assert!(error.contains(expected), "{error}\nexpected: {expected}");
}

#[test]
fn settings_that_do_not_fit_are_named() {
    let folder = saved(1);
    let path = folder.path().join("classifier.json");
    let good = std::fs::read_to_string(&path).unwrap();
    for (from, to, expected) in [
        (
            "\"schema\":2",
            "\"schema\":1",
            "classifier.json: content: expected the settings of a model, found schema 1, of another version of this program: expected 2",
        ),
        ("\"schema\":2", "\"schema\":2,\"author\":1", "unknown field `author`"),
        (
            "text-classifier",
            "image-classifier",
            "classifier.json: kind: expected \"text-classifier\", found \"image-classifier\"",
        ),
        ("\"length\":6", "\"length\":6,\"pad\":1", "unknown field `pad`"),
        ("\"length\":6,", "", "missing field `length`"),
        (
            "\"length\":6",
            "\"length\":2",
            "settings.length: expected 3 to 67108864 for this network, found 2",
        ),
        (
            "\"length\":6",
            "\"length\":18446744073709551615",
            "settings.length: expected 3 to 67108864",
        ),
        ("\"length\":6", "\"length\":-6", "invalid value: integer `-6`"),
        (
            "\"sci\",",
            "",
            "classifier.json: settings.record.classes: expected 3, as many as the network has, found 2",
        ),
        ("\"sci\",\"rec\",\"misc\"", "", "classes = 0: expected at least 2"),
        ("text-cnn", "text-rnn", "unknown variant `text-rnn`"),
        ("\"channels\":2", "\"channels\":2,\"stride\":1", "unknown field `stride`"),
        (
            "\"channels\":2",
            "\"channels\":0",
            "settings.network: expected sizes in their ranges, found TextCNN: channels = 0",
        ),
        ("\"channels\":2", "\"channels\":1000000000000000", "TextCNN: channels = 1000000000000000"),
        ("\"kernels\":[1,3]", "\"kernels\":[]", "TextCNN: kernels = []"),
        (
            "\"kernels\":[1,3]",
            "\"kernels\":[1,18446744073709551615]",
            "a kernel = 18446744073709551615",
        ),
        (
            "\"channels\":2",
            "\"channels\":65536",
            "classifier.safetensors: tensor \"convs.0.weight\": expected shape [65536, 4, 1], found [2, 4, 1]",
        ),
        (
            "\"dim\":4",
            "\"dim\":5",
            "tensor \"embedding.weight\": expected shape [8, 5], found [8, 4]",
        ),
        (
            "\"kernels\":[1,3]",
            "\"kernels\":[1,3,3]",
            "tensor \"convs.2.weight\": expected shape [2, 4, 3], found no such tensor",
        ),
        ("\"kernels\":[1,3]", "\"kernels\":[1]", "expected shape [3, 2], found [3, 4]"),
        (
            "\"temperature\":0.37",
            "\"temperature\":0.0",
            "temperature = 0: expected a finite number greater than 0",
        ),
        ("\"temperature\":0.37", "\"temperature\":1e999", "number out of range"),
        ("[\"the\",4]", "[\"the\",1]", "word 2 of the vocabulary: count"),
        ("[\"the\",4]", "[\"the\",4],[\"the\",4]", "word 1 of the vocabulary: name"),
        (
            "[\"the\",4]",
            "[\"these\",5],[\"the\",4]",
            "tensor \"embedding.weight\": expected shape [9, 4], found [8, 4]",
        ),
        ("\"rule\":\"keras\"", "\"rule\":\"torch\"", "unknown variant `torch`"),
        (
            "\"metric\":\"reliability\"",
            "\"metric\":\"accuracy\"",
            "metric \"accuracy\": expected \"reliability\"",
        ),
        ("\"positive\":", "\"positive\":9", "positives"),
        ("\"crc32\":\"", "\"crc32\":\"0", "classifier.safetensors: CRC-32: expected 0"),
        ("\"bytes\":", "\"bytes\":1", "classifier.safetensors: expected 1"),
    ] {
        assert!(good.contains(from), "{from}: {good}");
        std::fs::write(&path, good.replacen(from, to, 1)).unwrap();
        assert_error(folder.path(), expected);
    }
    for content in [&good.as_bytes()[..good.len() / 2], b"", b"[]", &b"[".repeat(100_000), b"\xff"]
    {
        std::fs::write(&path, content).unwrap();
        assert_error(folder.path(), "classifier.json: content: expected the settings of a model");
    }
    std::fs::remove_file(&path).unwrap();
    assert_error(folder.path(), "classifier.json");
    std::fs::write(&path, &good).unwrap();
    CalibratedClassifier::load(folder.path(), &Device::Cpu).unwrap();
    std::fs::remove_file(folder.path().join("classifier.safetensors")).unwrap();
    assert_error(folder.path(), "classifier.safetensors");
}

/// Replaces the tensors, with matching size and checksum in the settings.
fn replace(folder: &Path, content: &[u8]) {
    std::fs::write(folder.join("classifier.safetensors"), content).unwrap();
    let path = folder.join("classifier.json");
    let mut settings: serde_json::Value =
        serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    settings["tensors"]["bytes"] = content.len().into();
    settings["tensors"]["crc32"] = format!("{:08x}", crc32fast::hash(content)).into();
    // In the order of the file, which starts with the schema.
    let part = |name: &str| settings[name].to_string();
    let text = format!(
        "{{\"schema\":2,\"kind\":\"text-classifier\",\"tensors\":{},\"settings\":{}}}",
        part("tensors"),
        part("settings")
    );
    std::fs::write(path, text).unwrap();
}

#[test]
fn tensors_that_do_not_fit_are_named() {
    let folder = saved(1);
    let path = folder.path().join("classifier.safetensors");
    let good = std::fs::read(&path).unwrap();
    // Truncated, modified, and of another run.
    std::fs::write(&path, &good[..good.len() - 1]).unwrap();
    assert_error(
        folder.path(),
        &format!("classifier.safetensors: expected {} bytes, found {}", good.len(), good.len() - 1),
    );
    let mut changed = good.clone();
    changed[good.len() - 1] ^= 1;
    let other = std::fs::read(saved(2).path().join("classifier.safetensors")).unwrap();
    for content in [&changed, &other] {
        assert_eq!(content.len(), good.len());
        std::fs::write(&path, content).unwrap();
        assert_error(folder.path(), "classifier.safetensors: CRC-32: expected");
    }
    // Content with matching size and checksum.
    for content in [&b""[..], b"{}", &good[..good.len() / 2], &good[..9], &[0xff; 64]] {
        replace(folder.path(), content);
        assert_error(folder.path(), "classifier.safetensors: content: expected a safetensors file");
    }
    let tensors: BTreeMap<String, Tensor> =
        candle_core::safetensors::load_buffer(&good, &Device::Cpu).unwrap().into_iter().collect();
    let nan = |name: &str, value: f32| {
        let shape = tensors[name].shape().clone();
        let mut values: Vec<f32> = tensors[name].flatten_all().unwrap().to_vec1().unwrap();
        *values.last_mut().unwrap() = value;
        Some(Tensor::from_vec(values, shape, &Device::Cpu).unwrap())
    };
    let words = &tensors["embedding.weight"];
    let padding = (words + 1.0).unwrap();
    for (name, tensor, expected) in [
        (
            "fc.bias",
            nan("fc.bias", f32::NAN),
            "tensor \"fc.bias\": expected finite numbers, found NaN",
        ),
        (
            "embedding.weight",
            nan("embedding.weight", f32::INFINITY),
            "tensor \"embedding.weight\": expected finite numbers, found inf",
        ),
        ("fc.bias", None, "tensor \"fc.bias\": expected shape [3], found no such tensor"),
        (
            "fc.bias",
            Some(Tensor::zeros(4, DType::F32, &Device::Cpu).unwrap()),
            "tensor \"fc.bias\": expected shape [3], found [4]",
        ),
        (
            "fc.bias",
            Some(Tensor::zeros(3, DType::F64, &Device::Cpu).unwrap()),
            "tensor \"fc.bias\": expected numbers of type F32, found F64",
        ),
        (
            "fc.scale",
            Some(Tensor::zeros(3, DType::F32, &Device::Cpu).unwrap()),
            "tensor \"fc.scale\": expected no tensor of this name in the network, found shape [3]",
        ),
        (
            "embedding.weight",
            Some(padding),
            "the vector of word number 0, which is padding, is not zeros",
        ),
        (
            "embedding.weight",
            None,
            "tensor \"embedding.weight\": expected shape [8, 4], found no such tensor",
        ),
    ] {
        let mut changed = tensors.clone();
        changed.remove(name);
        changed.extend(tensor.map(|tensor| (name.to_owned(), tensor)));
        replace(folder.path(), &safetensors::serialize(&changed, None).unwrap());
        assert_error(folder.path(), expected);
        assert_error(folder.path(), "classifier.safetensors: ");
    }
    replace(folder.path(), &safetensors::serialize(&tensors, None).unwrap());
    CalibratedClassifier::load(folder.path(), &Device::Cpu).unwrap();
}

/// Settings and tensors that could not be loaded are not saved.
#[test]
fn settings_and_tensors_are_checked_before_they_are_saved() {
    let classifier = |change: fn(&mut Trained)| {
        let mut trained = small(1);
        change(&mut trained);
        CalibratedClassifier::new(
            trained.settings,
            trained.words.vectors(),
            &trained.store.state(),
            &Device::Cpu,
        )
    };
    classifier(|_| ()).unwrap();
    let error = classifier(|trained| trained.settings.length = 2).err().unwrap().to_string();
    assert_eq!(error, "settings.length: expected 3 to 67108864 for this network, found 2");
    let untested = |trained: &mut Trained| {
        let (classes, test) =
            (trained.settings.record.classes().to_vec(), Assessment::new(5).unwrap());
        let temperature = TemperatureScaling::new(1.0).unwrap();
        trained.settings.record =
            CalibrationRecord::of_temperature(classes, temperature, test).unwrap();
    };
    let error = classifier(untested).err().unwrap().to_string();
    assert_eq!(error, "settings.record.test: expected at least 1 text, found 0");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any change of a byte gives a classifier or an error.
    #[test]
    fn changed_settings_do_no_harm(at in 0usize..10_000, byte in 0x20u8..0x7f, cut in any::<bool>()) {
        let folder = saved(1);
        let path = folder.path().join("classifier.json");
        let mut content = std::fs::read(&path).unwrap();
        let at = at % content.len();
        content[at] = byte;
        if cut {
            content.remove((at + 7) % (content.len() - 1));
        }
        std::fs::write(&path, content).unwrap();
        if let Ok(classifier) = CalibratedClassifier::load(folder.path(), &Device::Cpu) {
            let _ = classifier.classify("the fox and the moon");
        }
    }
}
