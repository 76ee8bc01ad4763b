//! Golden values of the published code, segmentation_models_pytorch, torchvision, albumentations and OpenCV.

mod metrics;
mod transforms;
