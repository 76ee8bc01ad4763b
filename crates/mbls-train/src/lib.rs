//! Training loop with checkpoints, resume and observers.
//!
//! A [`Task`] defines how a batch becomes logits and a loss. The [`Trainer`] owns the loop: epochs,
//! learning rate, clipping, the average of the weights, validation, the selection of the best
//! epoch, checkpoints. It does not know which task it trains, and it neither draws nor logs:
//! [`Observer`]s do. The crate provides the [`EventLog`] and, with the feature `tensorboard`,
//! `TensorBoard`.
//!
//! All files of a run are in its [`RunDirectory`]:
//!
//! | file | content |
//! |---|---|
//! | `last.safetensors` | the last checkpoint, at the end of an epoch or within one: model, optimizer, average, loss, progress |
//! | `best.safetensors` | the model after the epoch with the best validation score: its average, if one is kept |
//! | `events.jsonl` | the event log, one JSON object per line, if the training has one |
//!
//! A run that is killed at any moment and restarted ends with the same bytes in both checkpoints as
//! an uninterrupted run.

mod accumulation;
pub mod checkpoint;
mod config;
mod early_stopping;
mod error;
pub mod event;
mod loss_sums;
mod observer;
mod predict;
mod run;
pub mod task;
#[cfg(feature = "tensorboard")]
mod tensorboard;
mod trainer;

pub use config::TrainerConfig;
pub use early_stopping::{EarlyStopping, Patience};
pub use error::{Error, Result};
pub use event::EventLog;
pub use observer::Observer;
pub use predict::{Predicted, evaluate, predict};
pub use run::RunDirectory;
pub use task::{Mode, Output, Task, TaskState};
#[cfg(feature = "tensorboard")]
pub use tensorboard::TensorBoard;
pub use trainer::{Outcome, Trainer};

// The code of the README compiles as a reader would paste it.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
