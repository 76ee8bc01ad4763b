//! Word vectors by word id.

use super::{PADDING, WIDEST};
use candle_core::{DType, Module, Result, Tensor, Var, bail};
use candle_nn::VarBuilder;
use mbls_nn::Embedding;
use std::collections::HashMap;

/// Name of the tensor of a trained table, after the prefix of its builder.
const WEIGHT: &str = "weight";

/// A table of word vectors, looked up by word id.
///
/// A frozen table has no parameters, and no gradient is computed for its vectors. As in the
/// published code, it is not part of checkpoints. A trained table is the parameter `weight`; its
/// padding row gets no gradient.
///
/// # Shapes
///
/// Word ids (`u32`) `[N, L]` to vectors `[N, L, D]`.
///
/// ```
/// use candle_core::{DType, Device, Module, Tensor};
/// use mbls_nlp::model::WordTable;
/// use mbls_nn::ParamStore;
///
/// let vectors = Tensor::new(&[[0f32, 0.0], [1.0, 2.0], [3.0, 4.0]], &Device::Cpu)?;
/// let words = Tensor::new(&[[0u32, 2]], &Device::Cpu)?;
/// let frozen = WordTable::frozen(&vectors)?;
/// assert_eq!(frozen.forward(&words)?.to_vec3::<f32>()?, [[[0.0, 0.0], [3.0, 4.0]]]);
///
/// let store = ParamStore::new(1, DType::F32, &Device::Cpu);
/// let trained = WordTable::trained_from(&vectors, store.var_builder().pp("embedding"))?;
/// assert_eq!(store.names(), ["embedding.weight"]);
/// assert!(trained.forward(&words)?.track_op() && !frozen.forward(&words)?.track_op());
/// # Ok::<(), candle_core::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct WordTable(Embedding);

impl WordTable {
    /// Creates a table that is not trained from `[V, D]` with one vector per word id.
    ///
    /// # Errors
    ///
    /// An error if the table has another shape or is empty, or if its padding row is not zeros.
    pub fn frozen(vectors: &Tensor) -> Result<Self> {
        let (rows, dim) = check_table(vectors)?;
        let tensors = HashMap::from([(WEIGHT.to_owned(), vectors.detach())]);
        let vb = VarBuilder::from_tensors(tensors, vectors.dtype(), vectors.device());
        Ok(Self(Embedding::new(rows, dim, Some(PADDING), vb)?))
    }

    /// Creates a table to be trained. Its values are sampled from the standard normal distribution,
    /// except for the padding row, which is zeros.
    ///
    /// # Errors
    ///
    /// An error if a size is 0 or `vb` has no such tensor.
    pub fn trained(words: usize, dim: usize, vb: VarBuilder) -> Result<Self> {
        Ok(Self(Embedding::new(words, dim, Some(PADDING), vb)?))
    }

    /// Creates a table to be trained with the initial values `vectors`. If `vb` returns a tensor
    /// that is not a variable, such as one of a checkpoint, the table has the values of that
    /// tensor.
    ///
    /// # Errors
    ///
    /// The errors of [`frozen`](Self::frozen), and an error if `vb` has no such tensor.
    pub fn trained_from(vectors: &Tensor, vb: VarBuilder) -> Result<Self> {
        let (rows, dim) = check_table(vectors)?;
        let table = Self::trained(rows, dim, vb)?;
        let weight = table.0.weight();
        if weight.is_variable() {
            Var::from_tensor(weight)?.set(
                &vectors.detach().to_dtype(weight.dtype())?.to_device(weight.device())?.copy()?,
            )?;
        }
        Ok(table)
    }

    /// Returns the table `[V, D]`.
    pub fn vectors(&self) -> &Tensor {
        self.0.weight()
    }

    /// Returns the dimension of a vector.
    pub fn dim(&self) -> usize {
        self.vectors().dims()[1]
    }
}

impl Module for WordTable {
    fn forward(&self, words: &Tensor) -> Result<Tensor> {
        if words.rank() != 2 {
            bail!("word vectors: word numbers of shape {:?}, expected [N, L]", words.shape());
        }
        self.0.forward(words)
    }
}

/// Checks a table and returns the number of words and the dimension of the vectors.
fn check_table(vectors: &Tensor) -> Result<(usize, usize)> {
    let &[rows, dim] = vectors.dims() else {
        bail!("word vectors: a table of shape {:?}, expected [V, D]", vectors.shape());
    };
    if rows == 0 || !(1..=WIDEST).contains(&dim) || !vectors.dtype().is_float() {
        bail!(
            "word vectors: a table of shape {:?} in {:?}, expected words and floating-point vectors",
            vectors.shape(),
            vectors.dtype()
        );
    }
    let padding = vectors.get(PADDING as usize)?.to_dtype(DType::F64)?.to_vec1::<f64>()?;
    if padding.iter().any(|&v| v != 0.0) {
        bail!("word vectors: the vector of word number {PADDING}, which is padding, is not zeros");
    }
    Ok((rows, dim))
}
