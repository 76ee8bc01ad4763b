//! Weights that are a function of their names, so that no file has to hold them.

use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, VarBuilder};
use mbls_testkit::device;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// Makes every variable that a network asks for, as the golden set's README says.
#[derive(Clone)]
pub(crate) struct Procedural {
    salt: String,
    pub(crate) vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Procedural {
    pub(crate) fn new(salt: &str) -> Self {
        Self { salt: salt.to_owned(), vars: Arc::default() }
    }

    pub(crate) fn var_builder(&self, dtype: DType) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device())
    }
}

impl SimpleBackend for Procedural {
    fn get(&self, shape: Shape, name: &str, _init: Init, dtype: DType, device: &Device) -> Result<Tensor> {
        let value = values(name, shape.dims());
        let numbers = units(&format!("{}{name}", self.salt)).take(shape.elem_count());
        let tensor = Tensor::from_iter(numbers.map(|u| value(u) as f32), &Device::Cpu)?;
        let var = Var::from_tensor(&tensor.reshape(shape)?.to_dtype(dtype)?.to_device(device)?)?;
        assert!(self.vars.lock().expect("variables").insert(name.to_owned(), var.clone()).is_none(), "{name} twice");
        Ok(var.into_inner())
    }

    fn get_unchecked(&self, name: &str, _dtype: DType, _device: &Device) -> Result<Tensor> {
        candle_core::bail!("{name}: without a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.vars.lock().expect("variables").contains_key(name)
    }
}

/// An input: `(2u - 1) * 1.7`.
pub(crate) fn input(salt: &str, shape: &[usize]) -> Result<Tensor> {
    let numbers = units(&format!("{salt}input")).take(shape.iter().product());
    Tensor::from_iter(numbers.map(|u| ((2.0 * u - 1.0) * 1.7) as f32), &Device::Cpu)?
        .reshape(shape)?
        .to_device(&device())
}

/// How a number of [0, 1) becomes one of this variable's.
fn values(name: &str, shape: &[usize]) -> Box<dyn Fn(f64) -> f64> {
    let fan: usize = shape.iter().skip(1).product();
    // Of a batch norm, whose scale alone has one dimension.
    let norm = name.strip_suffix(".bias").is_some_and(is_norm);
    match name.rsplit('.').next() {
        Some("running_mean") => Box::new(|u| u * 0.2 - 0.1),
        Some("running_var") => Box::new(|u| 0.5 + u),
        Some("weight") if shape.len() == 1 => Box::new(|u| 0.7 + 0.5 * u),
        Some("bias") if norm => Box::new(|u| u * 0.2 - 0.1),
        Some("bias") => Box::new(|u| u * 0.4 - 0.2),
        _ => Box::new(move |u| (2.0 * u - 1.0) * (4.5 / fan as f64).sqrt()),
    }
}

/// Whether a layer with a bias is a batch norm: `bn`, `bn1`, or the second of a shortcut.
fn is_norm(layer: &str) -> bool {
    let last = layer.rsplit('.').next().unwrap_or(layer);
    last.starts_with("bn") || last == "1"
}

/// Numbers of [0, 1) from a text: SplitMix64 from its FNV-1a hash.
fn units(text: &str) -> impl Iterator<Item = f64> + use<> {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (1u64..).map(move |i| {
        let mut z = hash.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 24)
    })
}

#[test]
fn the_numbers_are_those_of_the_recipe() {
    let found: Vec<f64> = units("pub:conv1.weight").take(4).collect();
    assert_eq!(found, [0.4146530032157898, 0.9060009717941284, 0.24442750215530396, 0.6401867866516113]);
}
