//! The device that tests run on.

use candle_core::Device;
use std::sync::OnceLock;

/// Returns the CPU, or the first CUDA device if `MBLS_TEST_DEVICE` is `cuda`; for tests that
/// compare whole networks with golden values.
///
/// Panics if the variable has another value or the device cannot be used: a test meant for a GPU
/// must not pass on the CPU.
pub fn device() -> Device {
    // One device for all tests: tensors of two device handles cannot be combined, even on one GPU.
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
