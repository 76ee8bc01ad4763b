//! Layers, operations of every back end, optimizers and checkpoints, used in the same way as by
//! other crates.
//!
//! One program for the whole crate: each additional program would be linked with all of candle
//! again.

mod averages;
mod backward;
/// Weights from PyTorch and safetensors files, and saving to safetensors.
mod checkpoint {
    mod files;
    mod hostile;
    mod load;
    mod save;
    mod torch;
    mod wrapped;
}
mod conv1d_channels_last;
mod convolution;
#[cfg(feature = "cuda")]
mod cuda;
/// The layers, optimizers and schedules compared with values computed by PyTorch, for all cases in
/// the directory of golden values.
mod golden {
    mod models;
    mod optim;
}
mod gradients;
mod graph;
mod gru;
mod init;
mod layers;
mod mixed;
mod optim;
mod param_store;
mod plateau;
mod pooling;
mod regularisation;
mod state;
mod support;
mod threads;
mod torch;
