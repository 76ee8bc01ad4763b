//! Weights from files of PyTorch and safetensors, and to safetensors.

mod files;
mod hostile;
mod load;
mod save;
mod torch;
mod wrapped;
