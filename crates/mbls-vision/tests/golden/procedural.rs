//! Full-size networks whose weights are a function of their names.

use crate::named::{gap, network};
use crate::weights::{Procedural, input};
use candle_core::{DType, Result, Tensor};
use mbls_testkit::golden;
use mbls_vision::model::Options;
use serde_json::Value;
use std::collections::HashMap;

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name}: {value}"))
}

fn shape(value: &Value) -> Vec<usize> {
    value.as_array().expect("a shape").iter().map(|size| size.as_u64().expect("a size") as usize).collect()
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

/// Runs the network called `name` in `dtype`.
fn check(name: &str, entry: &Value, golden: &HashMap<String, Tensor>, dtype: DType) -> Result<bool> {
    let classes = *shape(&entry["output_shape"]).last().expect("classes");
    let Some(network) = network(name, classes) else { return Ok(false) };
    let weights = Procedural::new(text(entry, "salt"));
    let model = network.build(Options::default(), weights.var_builder(dtype))?;
    let vars = weights.vars.lock().expect("variables").clone();
    let trained = vars.iter().filter(|(name, _)| !name.contains(".running_"));
    assert_eq!(trained.map(|(_, var)| var.elem_count()).sum::<usize>(), number(entry, "params") as usize, "{name}");

    let images = input(text(entry, "salt"), &shape(&entry["input_shape"]))?.to_dtype(dtype)?;
    let expected = |mode: &str| &golden[&format!("{name}/{mode}_logits")];
    let eval = gap(&model.forward_t(&images, false)?, expected("eval"))?;
    let images = input(text(entry, "train_input_salt"), &shape(&entry["train_input_shape"]))?.to_dtype(dtype)?;
    let train = gap(&model.forward_t(&images, true)?, expected("train"))?;
    let train_size = expected("train").to_dtype(DType::F64)?.sqr()?.mean_all()?.to_scalar::<f64>()?.sqrt();
    let (recorded, std) = (number(entry, "max_abs_f32_minus_f64"), number(entry, "std"));
    let Value::Object(statistics) = &entry["bn_after_train_forward"] else { panic!("{name}: statistics") };
    let mut worst = 0f64;
    for (key, expected) in statistics {
        let values = vars[key].to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let (sum, norm) = (values.iter().sum::<f64>(), values.iter().map(|v| v * v).sum::<f64>().sqrt());
        let at = |i: usize| expected[i].as_f64().expect("a number");
        // A sum of n values has an error of up to n times that of one; their norm says how large they are.
        let scale = at(1) * (values.len() as f64).sqrt();
        worst = worst.max((sum - at(0)).abs() / scale).max((norm - at(1)).abs() / at(1));
    }
    assert_eq!(statistics.len(), vars.keys().filter(|key| key.contains(".running_")).count(), "{name}");
    println!("{name} {dtype:?}: eval {eval:.1e} of {recorded:.1e}, train {train:.1e}, statistics {worst:.1e}");
    match dtype {
        // The recorded distance is that of these very numbers.
        DType::F64 => {
            let apart = (eval - recorded).abs();
            assert!(apart <= 1e-4 * recorded + 1e-9 * std, "{name}: eval in f64 {eval:e}, recorded {recorded:e}");
        }
        // Another order of the same sums: an error of the same kind, beside the original's own.
        _ => assert!(eval <= 8.0 * recorded + 2e-6 * std, "{name}: eval {eval:e}, recorded {recorded:e}"),
    }
    // Normalising by the statistics of a small batch amplifies rounding, 17-fold in the worst network.
    let bound = 64.0 * recorded + 1e-5 * train_size;
    assert!(train <= bound, "{name} {dtype:?}: train {train:e}, recorded in eval {recorded:e}");
    assert!(worst <= 5e-5, "{name} {dtype:?}: running statistics {worst:e}");
    Ok(true)
}

#[test]
fn outputs_and_running_statistics_of_full_size_networks() -> Result<()> {
    let file = golden::json("models/procedural.json");
    let golden = golden::tensors("models/procedural.safetensors");
    let Value::Object(models) = &file["models"] else { panic!("an object of models") };
    let mut tested = 0;
    for (name, entry) in models {
        for dtype in [DType::F32, DType::F64] {
            tested += usize::from(check(name, entry, &golden, dtype)?);
        }
    }
    assert!(tested > 0, "no model of this crate");
    Ok(())
}
