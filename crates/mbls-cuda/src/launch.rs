//! Launch configurations.

use candle_core::cuda_backend::cudarc::driver::LaunchConfig;

/// Threads per block, `MAX_THREADS` in the header.
pub const THREADS: u32 = 256;

/// Returns the configuration of a launch with this number of blocks.
pub fn grid(blocks: u32) -> LaunchConfig {
    LaunchConfig { grid_dim: (blocks, 1, 1), block_dim: (THREADS, 1, 1), shared_mem_bytes: 0 }
}
