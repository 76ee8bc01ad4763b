//! Names, shapes and order of parameters and buffers.

use super::named::{build, directories, network};
use candle_core::{DType, Device, Result};
use mbls_nn::ParamStore;
use mbls_stepkit::published::state_dict_keys;
use mbls_testkit::golden::{json_of, keys};
use serde_json::{Value, json};

#[test]
fn names_shapes_and_order_are_those_of_the_state_dicts() -> Result<()> {
    for directory in directories() {
        let models = json_of(&directory.join("models/state_dict_keys.json"));
        let Value::Object(models) = models else { panic!("an object of models") };
        let mut tested = 0;
        for (name, list) in models {
            let expected = keys(&list);
            let classes = expected.last().expect("a key").shape[0];
            let auxiliary = expected.iter().any(|key| key.name.starts_with("aux_classifier."));
            let Some(network) = network(&name, classes, &json!({ "auxiliary": auxiliary })) else {
                continue;
            };
            let store = ParamStore::new(1, DType::F32, &Device::Cpu);
            let head = format!("{}.bias", network.head());
            let encoder = format!("{}.conv1.weight", network.encoder());
            build(network, store.var_builder())?;
            let found = state_dict_keys(&store);
            assert_eq!(found, expected, "{name}");
            let of_head = found.iter().find(|key| key.name == head).expect("the head's bias");
            assert_eq!(of_head.shape, [classes], "{name}");
            assert_eq!(found[0].name, encoder, "{name}");
            println!("{name}: {} keys", found.len());
            tested += 1;
        }
        assert!(tested > 0, "{}: no model of this crate", directory.display());
    }
    Ok(())
}
