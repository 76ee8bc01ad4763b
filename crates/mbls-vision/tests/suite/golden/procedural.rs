//! Full-size networks whose weights are a function of their names.

use super::named::network;
use candle_core::{DType, Result};
use mbls_testkit::{golden, procedural};
use mbls_vision::model::Options;
use serde_json::Value;

#[test]
fn outputs_and_running_statistics_of_full_size_networks() -> Result<()> {
    let file = golden::json("models/procedural.json");
    let golden = golden::tensors("models/procedural.safetensors");
    let Value::Object(models) = &file["models"] else { panic!("an object of models") };
    let mut tested = 0;
    for (name, entry) in models {
        let classes = *golden::sizes(&entry["output_shape"]).last().expect("classes");
        let Some(network) = network(name, classes) else { continue };
        for dtype in [DType::F32, DType::F64] {
            let network = network.clone();
            procedural::check(name, entry, &golden, dtype, |vb| {
                Ok(network.build(Options::default(), vb)?)
            })?;
            tested += 1;
        }
    }
    assert!(tested > 0, "no model of this crate");
    Ok(())
}
