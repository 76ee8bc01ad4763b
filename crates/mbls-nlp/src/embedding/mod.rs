//! Word vectors: GloVe text files, embedding tables of vocabularies, and their cache.

mod cache;
mod glove;
mod table;

pub use cache::CacheUse;
pub use glove::{GloveFile, VectorsRead, read_vectors};
pub use table::{EmbeddingTable, Missing};
