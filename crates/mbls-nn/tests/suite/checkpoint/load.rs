//! Loading checkpoints into stores that they fit completely or partly, and saving to safetensors.

use super::torch::path;
use candle_core::{DType, Device, Tensor};
use mbls_nn::checkpoint::StateDict;
use mbls_nn::{BatchNorm1d, Checkpoint, Fit, Linear, ParamStore, Result};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Returns the network of the fixtures, with a classifier of this many classes.
fn network(dtype: DType, classes: usize) -> Result<ParamStore> {
    let store = ParamStore::new(5, dtype, &Device::Cpu);
    BatchNorm1d::new(2, store.var_builder().pp("bn"))?;
    Linear::new(2, classes, store.var_builder().pp("fc"))?;
    Ok(store)
}

fn values(store: &ParamStore) -> Result<BTreeMap<String, Vec<f64>>> {
    let numbers = |tensor: &Tensor| tensor.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>();
    store.state().into_iter().map(|(name, tensor)| Ok((name, numbers(&tensor)?))).collect()
}

#[test]
fn a_checkpoint_is_loaded_in_the_types_of_the_store() -> Result<()> {
    for file in ["zip-protocol-2.pth", "legacy-protocol-2.pth", "full-sgd.pth"] {
        let checkpoint = Checkpoint::read(&path(file))?;
        let state = checkpoint.state_dict()?;
        for dtype in [DType::F32, DType::F64, DType::BF16] {
            let store = network(dtype, 3)?;
            let report = store.load(&checkpoint, Fit::Strict)?;
            assert!(report.fits() && report.loaded.len() == 6, "{report}");
            for (name, var) in store.state() {
                // Batch norm stays in f32 in a store of half precision.
                let dtype = if dtype == DType::BF16 && name.starts_with("bn.") {
                    DType::F32
                } else {
                    dtype
                };
                assert_eq!(var.dtype(), dtype, "{name}");
                let expected = state[&name].to_dtype(dtype)?.flatten_all()?.to_dtype(DType::F64)?;
                assert_eq!(values(&store)?[&name], expected.to_vec1::<f64>()?, "{name}");
            }
        }
    }
    Ok(())
}

#[test]
fn what_does_not_fit_is_listed_and_changes_nothing() -> Result<()> {
    let checkpoint = Checkpoint::read(&path("zip-protocol-2.pth"))?;
    let store = network(DType::F32, 10)?;
    Linear::new(1, 1, store.var_builder().pp("more"))?;
    let before = values(&store)?;
    let wrong = "fc.weight: shape [3, 2], expected [10, 2]";
    for (fit, present, absent) in [
        (
            Fit::Strict,
            &["zip-protocol-2.pth", "missing [more.bias, more.weight]", wrong][..],
            &["unexpected"][..],
        ),
        (Fit::Except(&["fc"]), &["more.weight"], &[wrong]),
        (Fit::Except(&["more", "f", "fc.w", "c"]), &[wrong], &["more.weight"]),
        (Fit::Except(&["fc.weight", "more"]), &["fc.bias"], &[wrong]),
    ] {
        let message = store.load(&checkpoint, fit).expect_err("a misfit").to_string();
        assert!(present.iter().all(|part| message.contains(part)), "{fit:?}: {message}");
        assert!(absent.iter().all(|part| !message.contains(part)), "{fit:?}: {message}");
        assert_eq!(values(&store)?, before);
    }
    Ok(())
}

#[test]
fn a_replaced_head_keeps_its_values() -> Result<()> {
    let checkpoint = Checkpoint::read(&path("zip-protocol-2.pth"))?;
    for fit in [Fit::Except(&["fc"]), Fit::Except(&["fc."]), Fit::Lenient] {
        let store = network(DType::F32, 10)?;
        let before = values(&store)?;
        let report = store.load(&checkpoint, fit)?;
        assert_eq!(report.loaded, ["bn.bias", "bn.running_mean", "bn.running_var", "bn.weight"]);
        let names: Vec<&str> =
            report.mis_shaped.iter().map(|tensor| tensor.name.as_str()).collect();
        assert_eq!(names, ["fc.bias", "fc.weight"]);
        assert_eq!(report.mis_shaped[1].found.dims(), [3, 2]);
        assert_eq!(report.mis_shaped[1].expected.dims(), [10, 2]);
        assert!(report.missing.is_empty() && report.unexpected.is_empty(), "{report}");
        assert_eq!(values(&store)?["fc.weight"], before["fc.weight"]);
        let loaded =
            checkpoint.state_dict()?["bn.running_mean"].to_dtype(DType::F64)?.to_vec1::<f64>()?;
        assert_eq!(values(&store)?["bn.running_mean"], loaded);
    }
    Ok(())
}

#[test]
fn a_file_of_another_network_never_passes() -> Result<()> {
    let store = ParamStore::new(5, DType::F32, &Device::Cpu);
    Linear::new(2, 3, store.var_builder().pp("head"))?;
    let checkpoint = Checkpoint::read(&path("zip-protocol-2.pth"))?;
    for fit in [Fit::Strict, Fit::Lenient, Fit::Except(&["head", "bn", "fc"])] {
        let message = store.load(&checkpoint, fit).expect_err("another network").to_string();
        assert!(message.contains("0 loaded") && message.contains("head.weight"), "{message}");
    }
    let empty = ParamStore::new(5, DType::F32, &Device::Cpu);
    assert!(empty.load(&checkpoint, Fit::Lenient).is_err());
    Ok(())
}

#[test]
fn a_prefix_that_the_network_has_too_stays() -> Result<()> {
    let saved = ParamStore::new(1, DType::F32, &Device::Cpu);
    Linear::new(3, 2, saved.var_builder().pp("module.fc"))?;
    let checkpoint = Checkpoint::from_bytes(saved.to_safetensors()?)?;
    assert_eq!(checkpoint.state_dict()?.into_keys().collect::<Vec<_>>(), ["fc.bias", "fc.weight"]);
    for prefix in ["module.fc", "fc"] {
        let store = ParamStore::new(2, DType::F32, &Device::Cpu);
        Linear::new(3, 2, store.var_builder().pp(prefix))?;
        store.load(&checkpoint, Fit::Strict)?;
        assert!(values(&store)?.into_values().eq(values(&saved)?.into_values()));
    }
    Ok(())
}

#[test]
fn counters_of_batch_norms_are_neither_loaded_nor_unexpected() -> Result<()> {
    let checkpoint = Checkpoint::read(&path("zip-protocol-2.pth"))?;
    assert!(checkpoint.state_dict()?.contains_key("bn.num_batches_tracked"));
    let report = network(DType::F32, 3)?.load(&checkpoint, Fit::Strict)?;
    assert!(report.unexpected.is_empty(), "{report}");
    Ok(())
}

#[test]
fn the_name_that_safetensors_reserves_is_refused() -> Result<()> {
    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    store.var_builder().get(2, "__metadata__")?;
    let message = store.to_safetensors().expect_err("a reserved name").to_string();
    assert!(message.contains("__metadata__"), "{message}");
    Ok(())
}

/// Found by fuzzing.
#[test]
fn a_header_whose_size_begins_as_a_pickle_is_read() -> Result<()> {
    for protocol in 2..=5 {
        let bytes = usize::from(protocol) * 256 + 0x80;
        let store = ParamStore::new(1, DType::F32, &Device::Cpu);
        // The rest of the header takes 53 bytes, and the header is padded to a multiple of 8.
        store.var_builder().get(2, &"n".repeat(bytes - 56))?;
        let saved = store.to_safetensors()?;
        assert_eq!(saved[..3], [0x80, protocol, 0]);
        let report = store.load(&Checkpoint::from_bytes(saved)?, Fit::Strict)?;
        assert_eq!(report.loaded.len(), 1);
    }
    Ok(())
}

fn name() -> impl Strategy<Value = String> {
    proptest::collection::vec("[a-z0-9_é]{1,5}", 1..4).prop_map(|parts| parts.join("."))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn export_and_import_give_the_same_bits(
        shapes in proptest::collection::btree_map(name(), proptest::collection::vec(0usize..4, 0..4), 1..6),
        dtype in proptest::sample::select(vec![DType::F64, DType::F32, DType::F16, DType::BF16]),
        module in any::<bool>(),
    ) {
        let stores = [1, 2].map(|seed| ParamStore::new(seed, dtype, &Device::Cpu));
        for store in &stores {
            let vb = if module { store.var_builder().pp("module") } else { store.var_builder() };
            for (name, shape) in &shapes {
                vb.get_with_hints(shape.as_slice(), name, candle_nn::Init::Randn { mean: 0.0, stdev: 1.0 })
                    .expect("a variable");
            }
        }
        let bytes = stores[0].to_safetensors().expect("bytes");
        let report = stores[1].load(&Checkpoint::from_bytes(&bytes[..]).expect("a checkpoint"), Fit::Strict);
        prop_assert_eq!(report.expect("the same names").loaded.len(), shapes.len());
        prop_assert_eq!(stores[1].to_safetensors().expect("bytes"), bytes);
    }
}

#[test]
fn a_part_is_loaded_by_the_names_after_its_prefix() -> Result<()> {
    let checkpoint = Checkpoint::read(&path("zip-protocol-2.pth"))?;
    let file = checkpoint.state_dict()?;
    let store = ParamStore::new(5, DType::F32, &Device::Cpu);
    BatchNorm1d::new(2, store.var_builder().pp("encoder.bn"))?;
    // Neither of them is a part of `encoder`.
    Linear::new(2, 3, store.var_builder().pp("fc"))?;
    Linear::new(2, 3, store.var_builder().pp("encoder2.fc"))?;
    let before = values(&store)?;
    for (part, fit, expected) in [
        ("encoder", Fit::Strict, "2 unexpected [fc.bias, fc.weight]"),
        ("encoder", Fit::Except(&["encoder.fc", "f"]), "2 unexpected [fc.bias, fc.weight]"),
        ("encoder2", Fit::Except(&["fc"]), "unexpected [bn.bias"),
        ("enc", Fit::Lenient, "part = enc: expected the name of a part of the network"),
        ("fc.weight", Fit::Lenient, "part = fc.weight: expected"),
    ] {
        let message = store.load_part(part, &checkpoint, fit).expect_err("a misfit").to_string();
        assert!(message.contains(expected), "{part}: {message}");
        assert_eq!(values(&store)?, before);
    }
    let report = store.load_part("encoder", &checkpoint, Fit::Except(&["fc"]))?;
    assert_eq!(report.loaded, ["bn.bias", "bn.running_mean", "bn.running_var", "bn.weight"]);
    assert_eq!(report.unexpected, ["fc.bias", "fc.weight"]);
    for (name, found) in values(&store)? {
        let expected = match name.strip_prefix("encoder.") {
            Some(name) => file[name].to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?,
            None => before[&name].clone(),
        };
        assert_eq!(found, expected, "{name}");
    }
    Ok(())
}
