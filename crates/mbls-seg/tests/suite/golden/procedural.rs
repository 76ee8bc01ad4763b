//! Full-size networks whose weights are a function of their names.

use super::named::{build, directories, has_auxiliary, network};
use candle_core::{DType, Result};
use mbls_testkit::{golden, procedural};
use serde_json::Value;

#[test]
fn outputs_and_running_statistics_of_full_size_networks() -> Result<()> {
    let mut tested = 0;
    for directory in directories() {
        let file = golden::json_of(&directory.join("models/procedural.json"));
        let golden = golden::tensors_of(&directory.join("models/procedural.safetensors"));
        let Value::Object(models) = &file["models"] else { panic!("an object of models") };
        for (name, entry) in models {
            let [_, channels, ..] = golden::sizes(&entry["output_shape"])[..] else {
                panic!("{name}: output_shape")
            };
            let classes = if has_auxiliary(entry) { channels / 2 } else { channels };
            let Some(network) = network(name, classes, entry) else { continue };
            for dtype in [DType::F32, DType::F64] {
                let network = network.clone();
                procedural::check(name, entry, &golden, dtype, |vb| build(network, vb))?;
                tested += 1;
            }
        }
    }
    assert!(tested > 0, "no model of this crate");
    Ok(())
}
