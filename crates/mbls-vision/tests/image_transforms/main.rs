//! Image transforms, mixing and corruptions.

mod mixing;
mod random;
mod reference;
mod settings;
