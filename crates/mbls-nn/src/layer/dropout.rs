//! Dropout with reproducible masks.

use crate::parallel::each_chunk;
use candle_core::{DType, Device, Result, Tensor, bail};
use candle_nn::ModuleT;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Number of entries per stream of the generator.
const BLOCK: usize = 1 << 14;

/// In training, sets each entry to 0 with probability `p` and divides the others by `1 - p`; in
/// evaluation, the identity. [`Dropout::channels`] drops whole channels.
///
/// The mask is a function of `(seed, position, shape)` alone, whatever the device and the number of
/// threads. Every training pass uses the next position. A run that saves
/// [`position`](Self::position) and restores it samples the same masks. Clones share the position.
/// Layers of one network need different seeds.
///
/// # References
///
/// Srivastava et al., Dropout, 2014. For channels: Tompson et al., Efficient object localization
/// using convolutional networks, 2015.
///
/// ```
/// use candle_core::{DType, Device, Tensor};
/// use candle_nn::ModuleT;
///
/// let layer = mbls_nn::Dropout::new(0.5, 7)?;
/// let x = Tensor::ones(8, DType::F32, &Device::Cpu)?;
/// let first = layer.forward_t(&x, true)?.to_vec1::<f32>()?;
/// assert!(first.iter().all(|&v| v == 0.0 || v == 2.0));
/// layer.set_position(0);
/// assert_eq!(layer.forward_t(&x, true)?.to_vec1::<f32>()?, first);
/// assert_eq!(layer.forward_t(&x, false)?.to_vec1::<f32>()?, [1.0; 8]);
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Dropout {
    p: f64,
    seed: u64,
    /// Whether an entry of the mask applies to a whole channel.
    channels: bool,
    position: Arc<AtomicU64>,
}

impl Dropout {
    /// Creates a layer at position 0.
    ///
    /// # Errors
    ///
    /// Fails if `p` is not between 0 and 1.
    pub fn new(p: f64, seed: u64) -> Result<Self> {
        if !(0.0..=1.0).contains(&p) {
            bail!("dropout: p = {p}, expected 0 to 1");
        }
        Ok(Self { p, seed, channels: false, position: Arc::default() })
    }

    /// Creates a layer at position 0 that keeps or drops whole channels of an input `[N, C, ..]`,
    /// separately for each sample: PyTorch's `Dropout1d` for `[N, C, L]` and `Dropout2d` for
    /// `[N, C, H, W]`.
    ///
    /// # Errors
    ///
    /// Fails if `p` is not between 0 and 1.
    ///
    /// ```
    /// use candle_core::{DType, Device, Tensor};
    /// use candle_nn::ModuleT;
    ///
    /// let layer = mbls_nn::Dropout::channels(0.5, 7)?;
    /// let x = Tensor::ones((2, 3, 5, 5), DType::F32, &Device::Cpu)?;
    /// for channel in layer.forward_t(&x, true)?.reshape((6, 25))?.to_vec2::<f32>()? {
    ///     assert!(channel == [0.0; 25] || channel == [2.0; 25]);
    /// }
    /// # Ok::<(), candle_core::Error>(())
    /// ```
    pub fn channels(p: f64, seed: u64) -> Result<Self> {
        Ok(Self { channels: true, ..Self::new(p, seed)? })
    }

    /// The number of the next training pass.
    pub fn position(&self) -> u64 {
        self.position.load(Ordering::Relaxed)
    }

    /// Sets the number of the next training pass.
    pub fn set_position(&self, position: u64) {
        self.position.store(position, Ordering::Relaxed);
    }

    /// Returns the mask: 0 or `1 / (1 - p)` per entry.
    fn mask(&self, count: usize, position: u64) -> Vec<f32> {
        let mut key = [0u8; 32];
        key[..8].copy_from_slice(&self.seed.to_le_bytes());
        key[8..16].copy_from_slice(&position.to_le_bytes());
        // An entry is dropped if 32 random bits are below this: `p` is accurate to 2^-32, and 1
        // drops all.
        let threshold = (self.p * (1u64 << 32) as f64) as u64;
        let kept = (1.0 / (1.0 - self.p)) as f32;
        let mut mask = vec![0f32; count];
        each_chunk(&mut mask, BLOCK, &|block, mask| {
            let mut rng = ChaCha8Rng::from_seed(key);
            rng.set_stream(block as u64);
            mask.iter_mut()
                .for_each(|m| *m = if u64::from(rng.next_u32()) < threshold { 0.0 } else { kept });
        });
        mask
    }
}

impl ModuleT for Dropout {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        if !matches!(x.dtype(), DType::F16 | DType::BF16 | DType::F32 | DType::F64) {
            bail!("dropout: input of type {:?}, expected a floating-point type", x.dtype());
        }
        if self.channels && x.rank() < 3 {
            bail!(
                "dropout of channels: input of shape {:?}, expected [N, C, L] or more axes",
                x.shape()
            );
        }
        if !train || self.p == 0.0 {
            return Ok(x.clone());
        }
        let position = self.position.fetch_add(1, Ordering::Relaxed);
        let mut shape = x.dims().to_vec();
        if self.channels {
            shape[2..].fill(1);
        }
        let mask =
            Tensor::from_vec(self.mask(shape.iter().product(), position), shape, &Device::Cpu)?;
        x.broadcast_mul(&mask.to_dtype(x.dtype())?.to_device(x.device())?)
    }
}
