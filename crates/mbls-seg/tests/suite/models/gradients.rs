//! Gradients of whole networks against finite differences in f64.

use super::{noise, tiny_networks};
use candle_core::{DType, Device, Result, Tensor};
use candle_nn::{ModuleT, VarBuilder};
use mbls_nn::ParamStore;
use mbls_seg::model::{DeepLabV3, Network, Options};
use mbls_testkit::gradient;

/// Concatenates the logits of both classifiers, so the checked sum weights them differently.
struct Both(DeepLabV3);

impl ModuleT for Both {
    fn forward_t(&self, images: &Tensor, train: bool) -> Result<Tensor> {
        Tensor::cat(&self.0.forward_with_auxiliary(images, train)?, 1)
    }
}

#[test]
fn gradients_of_whole_networks_are_right() -> Result<()> {
    for network in tiny_networks() {
        let store = ParamStore::new(3, DType::F64, &Device::Cpu);
        let build = |vb: VarBuilder| -> Result<Box<dyn ModuleT>> {
            match network.clone() {
                Network::DeepLabV3(config) if config.auxiliary => {
                    Ok(Box::new(Both(DeepLabV3::new(config, vb)?)))
                }
                other => {
                    let network: Box<dyn ModuleT> = other.build(Options::default(), vb)?;
                    Ok(network)
                }
            }
        };
        build(store.var_builder())?;
        // The initial shifts of batch norm are 0, which puts the pooled branch of the pyramid at
        // the non-differentiable point of ReLU.
        for (name, var) in store.parameters() {
            if var.rank() == 1 {
                let seed = name.bytes().map(u64::from).sum();
                var.set(&(noise(var.dims(), seed) * 0.5)?.affine(1.0, 0.6)?)?;
            }
        }
        // Neither side is a multiple of the output stride.
        gradient::check_network(
            &store.parameters(),
            &store.buffers(),
            &noise(&[2, 1, 13, 10], 4),
            build,
        )?;
    }
    Ok(())
}
