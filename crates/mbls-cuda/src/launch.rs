//! The shape of launches.

use candle_core::cuda_backend::cudarc::driver::LaunchConfig;

/// Threads per block, `MAX_THREADS` of the header.
pub const THREADS: u32 = 256;

/// A launch of this number of blocks.
pub fn grid(blocks: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}
