//! Layers, operations of every back end, optimizers and checkpoints, used as other crates use them.
//!
//! One program for the whole crate: each program more would be linked with all of candle again.

mod averages;
mod backward;
/// Weights from files of PyTorch and safetensors, and to safetensors.
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
/// The layers, optimizers and schedules against values that PyTorch computed: whatever cases the
/// directory of golden values holds.
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
