//! Full-size networks whose weights are a function of their names, so that no file has to store
//! them.

use crate::device;
use crate::golden::{gap, sizes as shape};
use candle_core::{DType, Device, Result, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{Init, ModuleT, VarBuilder};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

/// Generates every variable that a network requests, by the recipe in the golden set's README.
#[derive(Clone, Debug)]
pub struct Procedural {
    salt: String,
    vars: Arc<Mutex<BTreeMap<String, Var>>>,
}

impl Procedural {
    /// Creates a generator whose names are prefixed with `salt`.
    pub fn new(salt: &str) -> Self {
        Self { salt: salt.to_owned(), vars: Arc::default() }
    }

    /// The generated variables, by name.
    pub fn vars(&self) -> MutexGuard<'_, BTreeMap<String, Var>> {
        self.vars.lock().expect("variables")
    }

    /// Returns a builder of variables on the [`device`] of the tests.
    pub fn var_builder(&self, dtype: DType) -> VarBuilder<'static> {
        VarBuilder::from_backend(Box::new(self.clone()), dtype, device())
    }
}

impl SimpleBackend for Procedural {
    fn get(
        &self,
        shape: Shape,
        name: &str,
        _init: Init,
        dtype: DType,
        device: &Device,
    ) -> Result<Tensor> {
        // The weight of a batch norm precedes its bias and has one dimension.
        let weight = name.strip_suffix("bias").map(|layer| format!("{layer}weight"));
        let norm = weight.and_then(|weight| Some(self.vars().get(&weight)?.rank() == 1));
        let value = values(name, shape.dims(), norm.unwrap_or(false));
        let numbers = units(&format!("{}{name}", self.salt)).take(shape.elem_count());
        let tensor = Tensor::from_iter(numbers.map(|u| value(u) as f32), &Device::Cpu)?;
        let var = Var::from_tensor(&tensor.reshape(shape)?.to_dtype(dtype)?.to_device(device)?)?;
        assert!(self.vars().insert(name.to_owned(), var.clone()).is_none(), "{name} twice");
        Ok(var.into_inner())
    }

    fn get_unchecked(&self, name: &str, _dtype: DType, _device: &Device) -> Result<Tensor> {
        candle_core::bail!("{name}: without a shape")
    }

    fn contains_tensor(&self, name: &str) -> bool {
        self.vars().contains_key(name)
    }
}

/// Returns an input: `(2u - 1) * 1.7`.
///
/// # Errors
///
/// Returns the errors of the device.
pub fn input(salt: &str, shape: &[usize]) -> Result<Tensor> {
    let numbers = units(&format!("{salt}input")).take(shape.iter().product());
    Tensor::from_iter(numbers.map(|u| ((2.0 * u - 1.0) * 1.7) as f32), &Device::Cpu)?
        .reshape(shape)?
        .to_device(&device())
}

/// Returns the function from a number in [0, 1) to a value of this variable; `norm` says whether
/// its layer is a batch norm.
fn values(name: &str, shape: &[usize], norm: bool) -> Box<dyn Fn(f64) -> f64> {
    let fan: usize = shape.iter().skip(1).product();
    match name.rsplit('.').next() {
        Some("running_mean") => Box::new(|u| u * 0.2 - 0.1),
        Some("running_var") => Box::new(|u| 0.5 + u),
        Some("weight") if shape.len() == 1 => Box::new(|u| 0.7 + 0.5 * u),
        Some("bias") if norm => Box::new(|u| u * 0.2 - 0.1),
        Some("bias") => Box::new(|u| u * 0.4 - 0.2),
        _ => Box::new(move |u| (2.0 * u - 1.0) * (4.5 / fan as f64).sqrt()),
    }
}

/// Returns numbers in [0, 1) generated from a text: SplitMix64 seeded with its FNV-1a hash.
fn units(text: &str) -> impl Iterator<Item = f64> + use<> {
    let hash = text
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    (1u64..).map(move |i| {
        let mut z = hash.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^= z >> 31;
        (z >> 40) as f64 / f64::from(1 << 24)
    })
}

fn number(value: &Value, name: &str) -> f64 {
    value[name].as_f64().unwrap_or_else(|| panic!("{name}: {value}"))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name}"))
}

/// Compares the network that `build` returns with the golden values of `name`, in `dtype`: number
/// of parameters, logits in evaluation and training, running statistics after training.
///
/// # Errors
///
/// Returns the errors of the network. A difference panics: this is a test helper.
pub fn check<M: ModuleT + ?Sized>(
    name: &str,
    entry: &Value,
    golden: &HashMap<String, Tensor>,
    dtype: DType,
    build: impl FnOnce(VarBuilder) -> Result<Box<M>>,
) -> Result<()> {
    let weights = Procedural::new(text(entry, "salt"));
    let model = build(weights.var_builder(dtype))?;
    let vars = weights.vars().clone();
    let trained = vars.iter().filter(|(name, _)| !name.contains(".running_"));
    assert_eq!(
        trained.map(|(_, var)| var.elem_count()).sum::<usize>(),
        number(entry, "params") as usize,
        "{name}"
    );

    let images = input(text(entry, "salt"), &shape(&entry["input_shape"]))?.to_dtype(dtype)?;
    let expected = |mode: &str| &golden[&format!("{name}/{mode}_logits")];
    let eval = gap(&model.forward_t(&images, false)?, expected("eval"))?;
    let images = input(text(entry, "train_input_salt"), &shape(&entry["train_input_shape"]))?
        .to_dtype(dtype)?;
    let train = gap(&model.forward_t(&images, true)?, expected("train"))?;
    let train_size =
        expected("train").to_dtype(DType::F64)?.sqr()?.mean_all()?.to_scalar::<f64>()?.sqrt();
    let (recorded, std) = (number(entry, "max_abs_f32_minus_f64"), number(entry, "std"));
    let Value::Object(statistics) = &entry["bn_after_train_forward"] else {
        panic!("{name}: statistics")
    };
    let mut worst = 0f64;
    for (key, expected) in statistics {
        let values = vars[key].to_dtype(DType::F64)?.to_vec1::<f64>()?;
        let (sum, norm) =
            (values.iter().sum::<f64>(), values.iter().map(|v| v * v).sum::<f64>().sqrt());
        let at = |i: usize| expected[i].as_f64().expect("a number");
        // A sum of n values has an error of up to n times that of one value; the norm gives their
        // size.
        let scale = at(1) * (values.len() as f64).sqrt();
        worst = worst.max((sum - at(0)).abs() / scale).max((norm - at(1)).abs() / at(1));
    }
    assert_eq!(
        statistics.len(),
        vars.keys().filter(|key| key.contains(".running_")).count(),
        "{name}"
    );
    println!(
        "{name} {dtype:?}: eval {eval:.1e} of {recorded:.1e}, train {train:.1e}, statistics {worst:.1e}"
    );
    match dtype {
        // The recorded distance was measured with exactly these numbers.
        DType::F64 => {
            let apart = (eval - recorded).abs();
            assert!(
                apart <= 1e-4 * recorded + 1e-9 * std,
                "{name}: eval in f64 {eval:e}, recorded {recorded:e}"
            );
        }
        // The same sums in another order: an error of the same kind, in addition to that of the
        // original.
        _ => assert!(
            eval <= 8.0 * recorded + 2e-6 * std,
            "{name}: eval {eval:e}, recorded {recorded:e}"
        ),
    }
    // Normalising by the statistics of a small batch amplifies rounding, by a factor of 17 in the
    // worst network.
    let bound = 64.0 * recorded + 1e-5 * train_size;
    assert!(train <= bound, "{name} {dtype:?}: train {train:e}, recorded in eval {recorded:e}");
    assert!(worst <= 5e-5, "{name} {dtype:?}: running statistics {worst:e}");
    Ok(())
}

#[test]
fn the_numbers_are_those_of_the_recipe() {
    let found: Vec<f64> = units("pub:conv1.weight").take(4).collect();
    assert_eq!(
        found,
        [0.4146530032157898, 0.9060009717941284, 0.24442750215530396, 0.6401867866516113]
    );
}
