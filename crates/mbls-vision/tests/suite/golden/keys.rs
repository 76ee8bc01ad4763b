//! Names, shapes and order of parameters and buffers.

use super::named::{classes, network};
use candle_core::{DType, Device, Result};
use mbls_nn::ParamStore;
use mbls_stepkit::published::state_dict_keys;
use mbls_testkit::golden::{self, keys};
use mbls_vision::model::Options;
use serde_json::Value;

#[test]
fn names_shapes_and_order_are_those_of_the_state_dicts() -> Result<()> {
    let Value::Object(models) = golden::json("models/state_dict_keys.json") else {
        panic!("an object of models")
    };
    let mut tested = 0;
    for (name, list) in models {
        let expected = keys(&list);
        let Some(network) = network(&name, classes(&expected)) else { continue };
        let store = ParamStore::new(1, DType::F32, &Device::Cpu);
        let head = network.head();
        network.build(Options::default(), store.var_builder())?;
        let found = state_dict_keys(&store);
        assert_eq!(found, expected, "{name}");
        assert_eq!(found[found.len() - 1].name, format!("{head}.bias"), "{name}");
        println!("{name}: {} keys", found.len());
        tested += 1;
    }
    assert!(tested > 0, "no model of this crate");
    Ok(())
}
