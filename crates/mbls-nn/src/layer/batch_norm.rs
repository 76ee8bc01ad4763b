//! Batch normalisation.

#[cfg(feature = "cuda")]
use crate::cuda;
use crate::op::{Backend, BatchNormEpilogue, Statistics};
use crate::shape::statistics_type;
use candle_core::{DType, Result, Tensor, Var, bail};
use candle_nn::{Init, ModuleT, VarBuilder};

/// Options of [`BatchNorm`]. The defaults are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormConfig {
    /// Added to the variance, above 0.
    pub eps: f64,
    /// The weight of a new batch in the running statistics, from 0 to 1. With `None` they are the
    /// mean over all batches seen.
    pub momentum: Option<f64>,
    /// Whether the layer has a trainable scale and shift.
    pub affine: bool,
    /// Whether training also normalises by the running statistics and leaves them unchanged; scale
    /// and shift are still trained.
    pub frozen: bool,
}

impl Default for BatchNormConfig {
    fn default() -> Self {
        Self { eps: 1e-5, momentum: Some(0.1), affine: true, frozen: false }
    }
}

/// Batch normalisation: `y = (x - mean) / sqrt(var + eps) * weight + bias` per channel.
///
/// Training normalises by the batch's mean and biased variance, and updates the running statistics
/// by `r <- (1 - momentum) r + momentum s`, where `s` is the batch's mean and unbiased variance.
/// Without a momentum, that of the `n`-th batch is `1 / n`. Evaluation normalises by the running
/// statistics. As in PyTorch, the defaults are `eps = 1e-5` and `momentum = 0.1`.
///
/// # Shapes
///
/// [`BatchNorm1d`]: `[N, C]` or `[N, C, L]` to the same; [`BatchNorm2d`]: `[N, C, H, W]` to the
/// same. Parameters `weight` (ones) and `bias` (zeros), buffers `running_mean` (zeros) and
/// `running_var` (ones), all `[C]`; without a momentum also `num_batches_tracked`, the number of
/// batches seen (an `i64` scalar).
///
/// # References
///
/// Ioffe and Szegedy, Batch normalization, 2015.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
/// use mbls_nn::{BatchNorm2d, ParamStore};
///
/// let store = ParamStore::new(0, DType::F32, &Device::Cpu);
/// let layer = BatchNorm2d::new(1, store.var_builder())?;
/// let x = Tensor::new(&[1f32, 3.0], &Device::Cpu)?.reshape((1, 1, 1, 2))?;
/// let y = layer.forward_t(&x, true)?.flatten_all()?.to_vec1::<f32>()?;
/// assert!((y[0] + 1.0).abs() < 1e-4 && (y[1] - 1.0).abs() < 1e-4);
/// assert!((store.state()["running_mean"].to_vec1::<f32>()?[0] - 0.2).abs() < 1e-6);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct BatchNorm<const D: usize> {
    weight: Tensor,
    bias: Tensor,
    running_mean: Var,
    running_var: Var,
    share: Share,
    config: BatchNormConfig,
}

/// The weight of a new batch in the running statistics.
#[derive(Clone, Debug)]
enum Share {
    Fixed(f64),
    /// One over the number of batches, which is counted here.
    Equal(Var),
}

/// [`BatchNorm`] over `[N, C]` or `[N, C, L]`.
pub type BatchNorm1d = BatchNorm<1>;
/// [`BatchNorm`] over `[N, C, H, W]`.
pub type BatchNorm2d = BatchNorm<2>;

impl<const D: usize> BatchNorm<D> {
    /// Creates a layer for `channels` channels with PyTorch's options.
    ///
    /// # Errors
    ///
    /// Fails if `channels` is 0 or the builder has no such tensors.
    pub fn new(channels: usize, vb: VarBuilder) -> Result<Self> {
        Self::with_config(channels, BatchNormConfig::default(), vb)
    }

    /// Creates a layer for `channels` channels.
    ///
    /// # Errors
    ///
    /// Fails if `channels` is 0, an option is out of range or the builder has no such tensors.
    pub fn with_config(channels: usize, config: BatchNormConfig, vb: VarBuilder) -> Result<Self> {
        const { assert!(D == 1 || D == 2, "one or two spatial axes") };
        if channels == 0 {
            bail!("batch norm: channels = 0, expected at least 1");
        }
        if !(config.eps > 0.0 && config.eps.is_finite()) {
            bail!("batch norm: eps = {}, expected a finite number above 0", config.eps);
        }
        let vb = vb.to_dtype(statistics_type(vb.dtype()));
        let get = |name, value| vb.get_with_hints(channels, name, Init::Const(value));
        let (weight, bias) = if config.affine {
            (get("weight", 1.0)?, get("bias", 0.0)?)
        } else {
            let weight = Tensor::ones(channels, vb.dtype(), vb.device())?;
            let bias = weight.zeros_like()?;
            (weight, bias)
        };
        let share = match config.momentum {
            Some(momentum) if (0.0..=1.0).contains(&momentum) => Share::Fixed(momentum),
            Some(momentum) => bail!("batch norm: momentum = {momentum}, expected 0 to 1"),
            None => {
                let counts = vb.clone().to_dtype(DType::I64);
                let seen = counts.get_with_hints((), "num_batches_tracked", Init::Const(0.0))?;
                Share::Equal(Var::from_tensor(&seen)?)
            }
        };
        Ok(Self {
            weight,
            bias,
            running_mean: Var::from_tensor(&get("running_mean", 0.0)?)?,
            running_var: Var::from_tensor(&get("running_var", 1.0)?)?,
            share,
            config,
        })
    }

    /// The scale `[C]`, ones without `affine`.
    pub fn weight(&self) -> &Tensor {
        &self.weight
    }

    /// The shift `[C]`, zeros without `affine`.
    pub fn bias(&self) -> &Tensor {
        &self.bias
    }

    /// The running mean `[C]`.
    pub fn running_mean(&self) -> &Var {
        &self.running_mean
    }

    /// The running variance `[C]`.
    pub fn running_var(&self) -> &Var {
        &self.running_var
    }

    /// The number of batches that the running statistics are averaged over, an `i64` scalar; only
    /// without a momentum.
    pub fn num_batches_tracked(&self) -> Option<&Var> {
        match &self.share {
            Share::Fixed(_) => None,
            Share::Equal(seen) => Some(seen),
        }
    }

    /// Returns `relu(y + residual)`, where `y` is the layer's result, or `relu(y)` without
    /// `residual`.
    ///
    /// On the CPU this is one operation, with the values and gradients of the three separate ones.
    /// It reads and writes less memory, and keeps only its result for the backward pass, not the
    /// normalised input or the sum.
    ///
    /// # Shapes
    ///
    /// `residual` has the shape of the input.
    ///
    /// # Errors
    ///
    /// Same as the layer's forward pass; also fails if `residual` has another shape or type than
    /// the input.
    ///
    /// ```
    /// use candle_core::{DType, Device, Module, Tensor};
    /// use candle_nn::ModuleT;
    /// use mbls_nn::{BatchNorm2d, ParamStore, Relu};
    ///
    /// let layer =
    ///     BatchNorm2d::new(2, ParamStore::new(0, DType::F32, &Device::Cpu).var_builder())?;
    /// let (x, residual) = (
    ///     Tensor::randn(0f32, 1.0, (3, 2, 4, 4), &Device::Cpu)?,
    ///     Tensor::ones((3, 2, 4, 4), DType::F32, &Device::Cpu)?,
    /// );
    /// let apart = Relu.forward(&(layer.forward_t(&x, true)? + &residual)?)?;
    /// let together = layer.forward_relu(&x, Some(&residual), true)?;
    /// assert_eq!(
    ///     together.flatten_all()?.to_vec1::<f32>()?,
    ///     apart.flatten_all()?.to_vec1::<f32>()?
    /// );
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    pub fn forward_relu(
        &self,
        x: &Tensor,
        residual: Option<&Tensor>,
        train: bool,
    ) -> Result<Tensor> {
        self.normalise(x, BatchNormEpilogue::Relu(residual), train)
    }

    fn check_rank(&self, x: &Tensor) -> Result<()> {
        let fits = if D == 1 { matches!(x.rank(), 2 | 3) } else { x.rank() == 4 };
        if !fits {
            let expected = if D == 1 { "[N, C] or [N, C, L]" } else { "[N, C, H, W]" };
            bail!("batch norm: input of shape {:?}, expected {expected}", x.shape());
        }
        Ok(())
    }

    /// Returns the normalised input after the epilogue. Training updates the running statistics,
    /// unless they are frozen.
    fn normalise(&self, x: &Tensor, epilogue: BatchNormEpilogue, train: bool) -> Result<Tensor> {
        self.check_rank(x)?;
        let (backend, affine, eps) = (Backend::of(x), [&self.weight, &self.bias], self.config.eps);
        if !train || self.config.frozen {
            let [mean, variance] =
                [&self.running_mean, &self.running_var].map(Var::as_detached_tensor);
            let statistics = Statistics::Given { mean: &mean, variance: &variance };
            return Ok(backend.batch_norm(x, affine, statistics, epilogue, eps)?.output);
        }
        let batch = backend.batch_norm(x, affine, Statistics::OfBatch, epilogue, eps)?;
        let count = (x.elem_count() / self.weight.elem_count()) as f64;
        let share = self.share.next()?;
        update(&self.running_mean, &batch.mean, 1.0, share)?;
        update(&self.running_var, &batch.variance, count / (count - 1.0), share)?;
        Ok(batch.output)
    }
}

impl Share {
    /// Returns the weight of the current batch, and counts the batch if there is no momentum.
    fn next(&self) -> Result<f64> {
        let seen = match self {
            Self::Fixed(share) => return Ok(*share),
            Self::Equal(seen) => seen,
        };
        let before = seen.to_scalar::<i64>()?;
        if before < 0 {
            bail!("batch norm: num_batches_tracked = {before}, expected at least 0");
        }
        let now = before.saturating_add(1);
        seen.set(&Tensor::new(now, seen.device())?)?;
        Ok(1.0 / now as f64)
    }
}

/// Sets `running <- (1 - share) running + share factor batch`.
fn update(running: &Var, batch: &Tensor, factor: f64, share: f64) -> Result<()> {
    #[cfg(feature = "cuda")]
    if cuda::supports(running) && running.dtype() == batch.dtype() {
        return cuda::update(running, batch, [None; 3], &cuda::Running { share, factor });
    }
    let old = running.as_detached_tensor();
    let new = (batch.to_dtype(old.dtype())? * (share * factor))?;
    running.set(&((old * (1.0 - share))? + new)?)
}

impl<const D: usize> ModuleT for BatchNorm<D> {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        self.normalise(x, BatchNormEpilogue::Nothing, train)
    }
}
