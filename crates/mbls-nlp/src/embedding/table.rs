//! Embedding tables.

use super::cache::{self, CacheUse};
use super::glove::{GloveFile, VectorsRead, read_vectors};
use crate::text::Vocabulary;
use crate::{Error, Result};
use candle_core::{Device, Tensor};
use mbls_data::Seed;
use mbls_io::Reading;
use rand::RngExt;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// Vectors of words that are not in the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Missing {
    /// Zeros, as in the published experiments.
    #[default]
    Zero,
    /// Uniform random values with mean 0, derived from the seed and the word. They are the same in
    /// every vocabulary.
    Random {
        /// The seed of the values.
        seed: u64,
        /// Standard deviation of the values; that of glove.6B.100d is 0.4.
        deviation: f32,
    },
}

/// A table with one vector per id of a vocabulary. Row 0, the padding, is zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingTable {
    pub(super) rows: usize,
    pub(super) dimension: usize,
    pub(super) values: Vec<f32>,
    pub(super) found: usize,
    pub(super) reading: Reading,
}

impl EmbeddingTable {
    /// Reads the vectors of the words of `vocabulary`. The memory is proportional to the table,
    /// whatever the size of the file.
    ///
    /// # Errors
    ///
    /// The errors of [`read_vectors`]; [`Error::Value`](mbls_io::Error::Value) if the deviation in
    /// `missing` is negative or not finite.
    pub fn read(file: &GloveFile, vocabulary: &Vocabulary, missing: Missing) -> Result<Self> {
        if let Missing::Random { deviation, .. } = missing
            && !(deviation.is_finite() && deviation >= 0.0)
        {
            return Err(Error::value(
                "deviation of missing words",
                "a finite number of at least 0",
                deviation,
            ));
        }
        let mut found: Vec<Option<Box<[f32]>>> = vec![None; vocabulary.len()];
        let place = |word: &str| vocabulary.id(word).map(|id| id as usize - 1);
        let VectorsRead { dimension, reading } = read_vectors(file, place, |place, values| {
            found[place] = Some(values.into());
            Ok(())
        })?;
        let rows = vocabulary.len() + 1;
        let mut values = vec![0.0; dimension];
        for ((word, _), vector) in vocabulary.words().zip(&found) {
            match vector {
                Some(vector) => values.extend_from_slice(vector),
                None => missing.extend(word, dimension, &mut values),
            }
        }
        Ok(Self { rows, dimension, values, found: found.iter().flatten().count(), reading })
    }

    /// Returns the table of [`read`](Self::read) from the safetensors file `cache` if that holds
    /// it; otherwise reads the vectors and writes `cache`.
    ///
    /// A cache is valid for the file of vectors (name, size and modification time) and its
    /// settings, the words in their order, and `missing`. A damaged cache, or one of another table,
    /// is replaced.
    ///
    /// # Errors
    ///
    /// The errors of [`read`](Self::read), and an error if the cache cannot be written.
    pub fn cached(
        file: &GloveFile,
        vocabulary: &Vocabulary,
        missing: Missing,
        cache: &Path,
    ) -> Result<(Self, CacheUse)> {
        let identity = cache::identity(file, vocabulary, missing)?;
        let usage = match cache::load(cache, &identity, vocabulary.len() + 1) {
            Ok(table) => return Ok((table, CacheUse::Used)),
            Err(usage) => usage,
        };
        let table = Self::read(file, vocabulary, missing)?;
        cache::save(cache, &identity, &table)?;
        Ok((table, usage))
    }

    /// Returns the number of rows: one per word, and the padding.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Returns the number of values per row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// Returns the values in row-major order.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Returns the number of words that the file contains.
    pub fn found(&self) -> usize {
        self.found
    }

    /// Returns the numbers of lines and words of the file, and of skipped words.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// Returns the table as an `f32` tensor of shape `[rows, dimension]`.
    ///
    /// # Errors
    ///
    /// Any error of candle.
    pub fn tensor(&self, device: &Device) -> candle_core::Result<Tensor> {
        Tensor::from_slice(&self.values, (self.rows, self.dimension), device)
    }
}

impl Missing {
    fn extend(self, word: &str, dimension: usize, values: &mut Vec<f32>) {
        match self {
            Self::Zero => values.resize(values.len() + dimension, 0.0),
            Self::Random { seed, deviation } => {
                let mut rng = Seed(seed).derive("missing word").derive(word).rng();
                // The standard deviation of the uniform distribution over -1..1 is sqrt(1/3).
                let largest = deviation * 3f32.sqrt();
                values.extend((0..dimension).map(|_| (2.0 * rng.random::<f32>() - 1.0) * largest));
            }
        }
    }
}
