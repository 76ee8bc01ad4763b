//! The parameter store: initial values that depend on names, shared names, and restored states.

use candle_core::{DType, Device};
use mbls_nn::{BatchNorm2d, Linear, ParamStore, Result};

#[test]
fn the_store_starts_alike_in_any_order_and_on_any_type() -> Result<()> {
    let first = ParamStore::new(4, DType::F32, &Device::Cpu);
    Linear::new(3, 2, first.var_builder().pp("x"))?;
    Linear::new(2, 2, first.var_builder().pp("y"))?;
    let second = ParamStore::new(4, DType::F64, &Device::Cpu);
    Linear::new(2, 2, second.var_builder().pp("y"))?;
    Linear::new(3, 2, second.var_builder().pp("x"))?;
    for ((a, x), (b, y)) in first.parameters().into_iter().zip(second.parameters()) {
        assert_eq!(a, b);
        let wide = x.to_dtype(DType::F64)?.flatten_all()?.to_vec1::<f64>()?;
        assert_eq!(wide, y.flatten_all()?.to_vec1::<f64>()?);
    }
    Ok(())
}

#[test]
fn the_store_shares_a_name_and_refuses_another_shape() -> Result<()> {
    let store = ParamStore::new(4, DType::F32, &Device::Cpu);
    let a = Linear::new(3, 2, store.var_builder().pp("x"))?;
    let b = Linear::new(3, 2, store.var_builder().pp("x"))?;
    assert_eq!(a.weight().id(), b.weight().id());
    let message = Linear::without_bias(4, 2, store.var_builder().pp("x")).unwrap_err().to_string();
    assert!(message.contains("x.weight") && message.contains("[2, 4]"), "{message}");
    assert!(store.var_builder().get_unchecked("missing").is_err());
    Ok(())
}

#[test]
fn a_state_of_the_network_round_trips() -> Result<()> {
    let make = |seed| -> Result<ParamStore> {
        let store = ParamStore::new(seed, DType::F32, &Device::Cpu);
        Linear::new(3, 2, store.var_builder().pp("fc"))?;
        BatchNorm2d::new(2, store.var_builder().pp("bn"))?;
        Ok(store)
    };
    let (a, b) = (make(1)?, make(2)?);
    let values = |store: &ParamStore| -> Result<Vec<Vec<f32>>> {
        store.state().values().map(|t| Ok(t.flatten_all()?.to_vec1::<f32>()?)).collect()
    };
    assert_ne!(values(&a)?, values(&b)?);
    b.load_state(&a.state())?;
    assert_eq!(values(&a)?, values(&b)?);
    a.load_state(&a.state())?;
    let mut state = a.state();
    state.remove("bn.running_var");
    let message = a.load_state(&state).unwrap_err().to_string();
    assert!(message.contains("missing [bn.running_var]"), "{message}");
    Ok(())
}
