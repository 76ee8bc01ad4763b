//! Transforms of an image and its mask together.
