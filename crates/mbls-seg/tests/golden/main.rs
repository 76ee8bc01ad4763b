//! Networks against segmentation_models_pytorch and torchvision.

mod keys;
mod named;
mod procedural;
