//! Segmentation against the published code and what it is built on.

mod transforms;
