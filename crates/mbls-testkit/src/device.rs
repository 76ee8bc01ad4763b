//! Where tests run.

use candle_core::Device;
use std::sync::OnceLock;

/// The CPU, or the first CUDA device where `MBLS_TEST_DEVICE` is `cuda`; for tests that hold whole
/// networks to golden values.
///
/// Panics where the variable is anything else, or the device cannot be used: a test that was to run
/// on a GPU must not pass elsewhere.
pub fn device() -> Device {
    // Tensors of two devices cannot meet, even where both are one GPU.
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || match std::env::var("MBLS_TEST_DEVICE") {
        Ok(name) if name == "cuda" => {
            Device::new_cuda(0).unwrap_or_else(|e| panic!("MBLS_TEST_DEVICE = cuda: {e}"))
        }
        Ok(name) if name != "cpu" => panic!("MBLS_TEST_DEVICE = {name}: expected cpu or cuda"),
        _ => Device::Cpu,
    };
    DEVICE.get_or_init(open).clone()
}
