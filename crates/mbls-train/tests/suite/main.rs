//! The training loop.

mod accumulated;
mod early;
mod ema;
mod fit;
mod learnt;
mod observers;
mod published;
mod support;
mod within;
mod without_loss;
