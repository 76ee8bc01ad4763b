//! The vectors of a vocabulary.

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

/// What a word gets that a file of vectors lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Missing {
    /// Zeros, as published.
    #[default]
    Zero,
    /// Evenly distributed random values with mean 0, by the seed and the word: the same in every
    /// vocabulary.
    Random {
        /// What the values are derived from.
        seed: u64,
        /// Their standard deviation; that of glove.6B.100d is .4.
        deviation: f32,
    },
}

/// One row of values for each id of a vocabulary; row 0, which is padding, is zeros.
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingTable {
    pub(super) rows: usize,
    pub(super) dimension: usize,
    pub(super) values: Vec<f32>,
    pub(super) found: usize,
    pub(super) reading: Reading,
}

impl EmbeddingTable {
    /// Reads the vectors of the words of `vocabulary`; memory is what the table takes, whatever the
    /// file's size.
    ///
    /// # Errors
    ///
    /// What [`read_vectors`] reports; [`Error::Value`](mbls_io::Error::Value) where `missing` has a
    /// deviation that is negative or not finite.
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

    /// As [`read`](Self::read), from `cache` where it holds what that would give; or else `cache`,
    /// a safetensors file, is written again.
    ///
    /// The cache belongs to the file of vectors (name, size and time of change), its dimension, the
    /// words in their order and `missing`; one of anything else, or a damaged one, is replaced.
    ///
    /// # Errors
    ///
    /// What [`read`](Self::read) reports; where the cache cannot be written.
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

    /// Number of rows: the words and the padding.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Values of each row.
    pub fn dimension(&self) -> usize {
        self.dimension
    }

    /// The values, row by row.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// Number of words that the file has.
    pub fn found(&self) -> usize {
        self.found
    }

    /// How many words were taken from how many lines of the file, and what was left out.
    pub fn reading(&self) -> &Reading {
        &self.reading
    }

    /// The table as an `f32` tensor of shape `[rows, dimension]`.
    ///
    /// # Errors
    ///
    /// What candle reports.
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
                // The deviation of what is evenly distributed over -1..1 is the root of a third.
                let largest = deviation * 3f32.sqrt();
                values.extend((0..dimension).map(|_| (2.0 * rng.random::<f32>() - 1.0) * largest));
            }
        }
    }
}
