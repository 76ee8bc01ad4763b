//! The networks against the published code and torchvision: keys of their state, outputs, and training continued from checkpoints.

mod checkpoints;
mod keys;
mod named;
mod procedural;
