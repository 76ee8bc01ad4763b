//! Word vectors: GloVe's text files, tables of the words of a vocabulary, and their cache.

mod cache;
mod glove;
mod table;

pub use cache::CacheUse;
pub use glove::{GloveFile, VectorsRead, read_vectors};
pub use table::{EmbeddingTable, Missing};
