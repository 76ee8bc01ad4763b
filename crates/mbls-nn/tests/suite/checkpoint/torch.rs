//! Files written by torch.save, compared with the values that PyTorch reads from them.

use candle_core::{DType, Tensor};
use mbls_nn::checkpoint::{StateDict, ToTensor};
use mbls_nn::{Checkpoint, Result, checkpoint};
use serde_json::Value;
use std::path::PathBuf;

pub(crate) fn path(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/checkpoints")).join(file)
}

fn cases() -> Vec<Value> {
    let text = std::fs::read_to_string(path("values.json")).expect("values.json");
    let all: Value = serde_json::from_str(&text).expect("JSON");
    let cases = all["cases"].as_array().expect("cases").clone();
    assert!(!cases.is_empty());
    cases
}

fn check(what: &str, found: &Tensor, expected: &Value) -> Result<()> {
    let dtype = match expected["dtype"].as_str().expect("dtype") {
        "float64" => DType::F64,
        "float32" => DType::F32,
        "float16" => DType::F16,
        "bfloat16" => DType::BF16,
        "int64" | "int8" => DType::I64,
        "int32" => DType::I32,
        "int16" => DType::I16,
        "uint8" | "bool" => DType::U8,
        other => panic!("{what}: {other}"),
    };
    assert_eq!(found.dtype(), dtype, "{what}");
    let numbers = |key: &str| {
        expected[key].as_array().expect(key).iter().map(|v| v.as_f64().expect("number"))
    };
    let shape: Vec<usize> = numbers("shape").map(|size| size as usize).collect();
    assert_eq!(found.dims(), shape, "{what}");
    let values: Vec<f64> = numbers("values").collect();
    let expected = Tensor::new(values, found.device())?
        .to_dtype(dtype)?
        .to_dtype(DType::F64)?
        .to_vec1::<f64>()?;
    assert_eq!(found.flatten_all()?.to_dtype(DType::F64)?.to_vec1::<f64>()?, expected, "{what}");
    Ok(())
}

/// Returns the object at a path through dicts and lists.
fn walk<'a>(root: checkpoint::Value<'a>, path: &Value) -> checkpoint::Value<'a> {
    path.as_array().expect("path").iter().fold(root, |value, part| {
        let next = match part {
            Value::String(name) => value.get(name.as_str()),
            part => value.get(part.as_i64().expect("integer")),
        };
        next.unwrap_or_else(|| panic!("{path}: no {part} in {value}"))
    })
}

#[test]
fn files_of_pytorch_hold_what_pytorch_says() -> Result<()> {
    for case in cases() {
        let file = case["file"].as_str().expect("file");
        let checkpoint = Checkpoint::read(&path(file))?;
        if let Some(weights) = case["weights"].as_object() {
            let found = checkpoint.state_dict()?;
            assert_eq!(found.keys().collect::<Vec<_>>(), sorted(weights.keys()), "{file}");
            for (name, tensor) in &found {
                check(&format!("{file}: {name}"), tensor, &weights[name])?;
            }
        }
        for entry in case["tensors"].as_array().expect("tensors") {
            check(
                &format!("{file}: {}", entry[0]),
                &walk(checkpoint.root(), &entry[0]).tensor()?,
                &entry[1],
            )?;
        }
        for entry in case["numbers"].as_array().expect("numbers") {
            assert_eq!(
                walk(checkpoint.root(), &entry[0]).as_f64(),
                entry[1].as_f64(),
                "{file}: {}",
                entry[0]
            );
        }
    }
    Ok(())
}

fn sorted<'a>(names: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    let mut names: Vec<_> = names.collect();
    names.sort();
    names
}

#[test]
fn objects_outside_the_weights_are_visible_and_never_created() -> Result<()> {
    let checkpoint = Checkpoint::read(&path("full-sgd.pth"))?;
    let root = checkpoint.root();
    let args = root.get("args").expect("args");
    assert_eq!(args.class().as_deref(), Some("argparse.Namespace"));
    assert_eq!(args.get("device").expect("device").class().as_deref(), Some("torch.device"));
    assert_eq!(args.get("dtype").expect("dtype").class().as_deref(), Some("torch.float16"));
    assert_eq!(root.get("arch").expect("arch").as_str(), Some("net"));
    assert_eq!(root.get("best").expect("best").as_f64(), Some(f64::INFINITY));
    assert_eq!(root.get("large").expect("large").as_i64(), None);
    assert!(root.get("nothing").expect("nothing").is_none());
    let seen: Vec<_> =
        root.get("seen").expect("seen").items().filter_map(|item| item.as_str()).collect();
    assert_eq!(seen.len(), 2);
    let groups =
        root.get("optimizer").and_then(|optimizer| optimizer.get("param_groups")).expect("groups");
    assert_eq!(
        groups.get(0).and_then(|group| group.get("nesterov")).expect("nesterov").as_bool(),
        Some(true)
    );
    let names: Vec<_> = root.entries().filter_map(|(key, _)| key.as_str()).collect();
    assert_eq!(names[..4], ["epoch", "arch", "best", "state_dict"]);
    Ok(())
}

#[test]
fn what_holds_no_weights_says_what_it_holds() -> Result<()> {
    for (file, parts) in [
        ("whole-module.pth", &["torch.nn.modules.linear.Linear", "state_dict()"][..]),
        ("unsupported.pth", &["\"sparse\": an object made by torch._utils._rebuild_sparse_tensor"]),
        ("complex-only.pth", &["complex-only.pth", "complex: ", "of a type that cannot be read"]),
    ] {
        let message = Checkpoint::read(&path(file))?.state_dict().expect_err(file).to_string();
        for part in parts {
            assert!(message.contains(part), "{message}");
        }
    }
    // The rest of such a file can be read.
    let unsupported = Checkpoint::read(&path("unsupported.pth"))?;
    assert_eq!(unsupported.root().get("plain").expect("plain").tensor()?.to_vec1::<f32>()?, [1.0]);
    Ok(())
}

#[test]
fn averaged_weights_are_chosen_by_name() -> Result<()> {
    let weights = Checkpoint::read(&path("averaged-beside.pth"))?.state_dict()?;
    let averaged = Checkpoint::read(&path("averaged-beside.pth"))?.at("model_ema")?.state_dict()?;
    let sum = |weights: &Tensor| weights.to_vec1::<f32>();
    assert_eq!((&weights["bias"] + 1.0)?.to_vec1::<f32>()?, sum(&averaged["bias"])?);
    let message = Checkpoint::read(&path("averaged-beside.pth"))?
        .at("teacher")
        .expect_err("no teacher")
        .to_string();
    assert!(
        message.contains("\"teacher\"") && message.contains("averaged-beside.pth"),
        "{message}"
    );
    Ok(())
}
