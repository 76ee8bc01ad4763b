//! Networks saved in wrappers: PyTorch files, and the state of our average.

use super::torch::path;
use candle_core::{DType, Device, Tensor};
use mbls_nn::checkpoint::StateDict;
use mbls_nn::{
    BatchNorm1d, Checkpoint, Ema, EmaConfig, Error, Fit, Linear, LoadReport, ParamStore, Result,
};
use std::collections::BTreeMap;

/// Returns the network of the fixtures, inside the part `part` unless it is empty.
fn network(part: &str) -> Result<ParamStore> {
    let store = ParamStore::new(5, DType::F32, &Device::Cpu);
    let vb = part
        .split('.')
        .filter(|part| !part.is_empty())
        .fold(store.var_builder(), |vb, part| vb.pp(part));
    BatchNorm1d::new(2, vb.pp("bn"))?;
    Linear::new(2, 3, vb.pp("fc"))?;
    Ok(store)
}

fn values<'a>(
    state: impl IntoIterator<Item = (&'a String, &'a Tensor)>,
) -> Result<BTreeMap<String, Vec<f64>>> {
    let numbers = |tensor: &Tensor| tensor.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>();
    state.into_iter().map(|(name, tensor)| Ok((name.clone(), numbers(tensor)?))).collect()
}

/// Returns a file with these names, each a separate tensor.
fn file(names: &[&str]) -> Result<Checkpoint> {
    let shape = |name: &str| match name.rsplit_once('.').map_or(name, |(_, last)| last) {
        "weight" if name.contains("fc") => vec![3, 2],
        "bias" if name.contains("fc") => vec![3],
        _ => vec![2],
    };
    let store = ParamStore::new(9, DType::F32, &Device::Cpu);
    names.iter().try_for_each(|name| store.var_builder().get(shape(name), name).map(drop))?;
    Ok(Checkpoint::from_bytes(store.to_safetensors()?)?)
}

const NAMES: [&str; 6] =
    ["bn.bias", "bn.running_mean", "bn.running_var", "bn.weight", "fc.bias", "fc.weight"];

fn prefixed(prefix: &str, more: &[&str]) -> Result<Checkpoint> {
    let names: Vec<String> = NAMES.iter().map(|name| format!("{prefix}{name}")).collect();
    file(&names.iter().map(String::as_str).chain(more.iter().copied()).collect::<Vec<_>>())
}

/// Files that torch saves of wrapped networks are loaded completely, and the report names the
/// removed prefix.
#[test]
fn files_of_wrapped_networks_are_loaded() -> Result<()> {
    for (name, prefix, unexpected, fit) in [
        ("wrapped-average.pth", "module.", &["n_averaged"][..], Fit::Strict),
        ("wrapped-compiled.pth", "_orig_mod.", &[], Fit::Strict),
        ("wrapped-parallel.pth", "module.", &[], Fit::Strict),
        ("wrapped-compiled-average.pth", "module._orig_mod.", &["n_averaged"], Fit::Strict),
        (
            "wrapped-lightning.pth",
            "model.module.",
            &["class_weights"],
            Fit::Except(&["class_weights"]),
        ),
    ] {
        let checkpoint = Checkpoint::read(&path(name))?;
        let store = network("")?;
        let report = store.load(&checkpoint, fit)?;
        assert_eq!((report.loaded.len(), report.prefix.as_str()), (6, prefix), "{name}: {report}");
        assert_eq!(report.unexpected, unexpected, "{name}");
        assert!(report.missing.is_empty() && report.mis_shaped.is_empty(), "{name}: {report}");
        assert!(
            report.to_string().starts_with(&format!("6 loaded, without the prefix {prefix:?}")),
            "{report}"
        );
        // The fixture defines these values.
        let own = values(&store.state())?;
        for (full, numbers) in values(&checkpoint.state_dict()?)? {
            let short = full.strip_prefix("model.module.").unwrap_or(&full);
            if let Some(found) = own.get(short) {
                assert_eq!(*found, numbers, "{name}: {full}");
            }
        }
        // A part of another network loads the same file.
        let part = network("backbone")?;
        let report = part.load_part("backbone", &checkpoint, fit)?;
        assert_eq!((report.loaded.len(), report.prefix.as_str()), (6, prefix), "{name}: {report}");
        assert!(values(&part.state())?.into_values().eq(own.into_values()), "{name}");
    }
    Ok(())
}

#[test]
fn the_state_of_an_average_is_loaded() -> Result<()> {
    let store = network("")?;
    let mut ema = Ema::new(&store, EmaConfig { decay: 0.5, ..Default::default() })?;
    ema.update()?;
    store.parameters().iter().try_for_each(|(_, var)| var.set(&var.ones_like()?))?;
    ema.update()?;
    let check = |found: &ParamStore, report: &LoadReport| -> Result<()> {
        assert_eq!((report.loaded.len(), report.prefix.as_str()), (6, "module."), "{report}");
        assert_eq!(report.unexpected, ["n_averaged"]);
        assert_eq!(values(&found.state())?, values(&ema.averages())?);
        Ok(())
    };
    let taken = network("")?;
    check(&taken, &taken.load_state(&ema.state())?)?;
    // And from a file of that state.
    let bytes = safetensors::serialize(ema.state(), None).expect("bytes");
    let taken = network("")?;
    check(&taken, &taken.load(&Checkpoint::from_bytes(bytes)?, Fit::Strict)?)?;
    // A missing tensor is still an error, which names the removed prefix.
    let mut state = ema.state();
    state.remove("module.fc.bias");
    let message = network("")?.load_state(&state).expect_err("a bias is missing").to_string();
    assert!(
        message.contains("without the prefix \"module.\"") && message.contains("missing [fc.bias]"),
        "{message}"
    );
    Ok(())
}

#[test]
fn every_wrapper_comes_off_alone_and_in_another() -> Result<()> {
    let prefixes = ["module.", "_orig_mod.", "model.", "net.", "encoder."];
    let nested = [
        "module._orig_mod.",
        "_orig_mod.module.",
        "model.module._orig_mod.",
        "model.encoder.",
        "net.model.module.encoder.",
    ];
    for prefix in prefixes.into_iter().chain(nested) {
        let report = network("")?.load(&prefixed(prefix, &[])?, Fit::Strict)?;
        assert_eq!((report.loaded.len(), report.prefix.as_str()), (6, prefix));
        assert!(report.fits());
        // A network that has the prefix itself keeps it, and one that has a part of it keeps that
        // part.
        let same = network(prefix)?;
        let report = same.load(&prefixed(prefix, &[])?, Fit::Strict)?;
        assert_eq!((report.loaded.len(), report.prefix.as_str()), (6, ""));
    }
    let report = network("encoder")?.load(&prefixed("model.encoder.", &[])?, Fit::Strict)?;
    assert_eq!((report.loaded.len(), report.prefix.as_str()), (6, "model."));
    Ok(())
}

#[test]
fn a_prefix_stays_where_nothing_is_gained() -> Result<()> {
    // Not a prefix of a wrapper.
    let message = network("")?
        .load(&prefixed("student.", &[])?, Fit::Strict)
        .expect_err("another name")
        .to_string();
    assert!(message.contains("0 loaded") && message.contains("student.bn.bias"), "{message}");
    // More of the names fit unchanged.
    let own = prefixed("", &["model.fc.weight"])?;
    let report = network("")?.load(&own, Fit::Except(&["model"]))?;
    assert_eq!((report.loaded.len(), report.prefix.as_str()), (6, ""));
    assert_eq!(report.unexpected, ["model.fc.weight"]);
    // Two sets of weights, one of them in a wrapper: only the user knows which is meant.
    let two = file(&["fc.weight", "module.fc.weight", "module.fc.bias"])?;
    let store = ParamStore::new(1, DType::F32, &Device::Cpu);
    Linear::new(2, 3, store.var_builder().pp("fc"))?;
    let error = store.load(&two, Fit::Strict).expect_err("two weights");
    assert!(matches!(&error, Error::State { report, .. } if report.prefix.is_empty()), "{error}");
    assert!(error.to_string().contains("module.fc.bias"), "{error}");
    Ok(())
}

#[test]
fn only_counts_of_an_average_are_let_through() -> Result<()> {
    for count in ["n_averaged", "num_updates", "step"] {
        let store = ParamStore::new(9, DType::F32, &Device::Cpu);
        store.var_builder().get((), count)?;
        Linear::new(2, 3, store.var_builder().pp("module.fc"))?;
        let taken = ParamStore::new(1, DType::F32, &Device::Cpu);
        Linear::new(2, 3, taken.var_builder().pp("fc"))?;
        let report = taken.load(&Checkpoint::from_bytes(store.to_safetensors()?)?, Fit::Strict)?;
        assert_eq!((report.loaded.len(), report.unexpected), (2, vec![count.to_owned()]));
    }
    // A weight with that name is not a counter, nor is any other additional tensor.
    for (name, shape) in
        [("step", vec![3]), ("scale", vec![]), ("module.n_averaged.weight", vec![])]
    {
        let store = ParamStore::new(9, DType::F32, &Device::Cpu);
        store.var_builder().get(shape, name)?;
        Linear::new(2, 3, store.var_builder().pp("module.fc"))?;
        let taken = ParamStore::new(1, DType::F32, &Device::Cpu);
        Linear::new(2, 3, taken.var_builder().pp("fc"))?;
        let refused = taken.load(&Checkpoint::from_bytes(store.to_safetensors()?)?, Fit::Strict);
        assert!(refused.is_err(), "{name}");
    }
    // A network with a variable of that name loads it.
    let store = ParamStore::new(9, DType::F32, &Device::Cpu);
    store.var_builder().get((), "step")?;
    assert_eq!(
        store.load(&Checkpoint::from_bytes(store.to_safetensors()?)?, Fit::Strict)?.loaded,
        ["step"]
    );
    Ok(())
}
