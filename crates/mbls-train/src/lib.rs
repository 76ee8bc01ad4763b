//! Training loop with checkpoints, resume and observers.
//!
//! A [`Task`] says how a batch becomes logits and a loss; the [`Trainer`] owns the loop: epochs,
//! learning rate, clipping, the average of the weights, validation, the choice of the best epoch,
//! checkpoints. It does not know which task it trains, and it draws and logs nothing: [`Observer`]s
//! do, of which the crate has the [`EventLog`] and, with the feature `tensorboard`, `TensorBoard`.
//!
//! Everything a run leaves lies in its [`RunDirectory`]:
//!
//! | file | content |
//! |---|---|
//! | `last.safetensors` | the last checkpoint, of the end of an epoch or within one: model, optimizer, average, loss, progress |
//! | `best.safetensors` | model after the epoch with the best validation score: its average, where one is kept |
//! | `events.jsonl` | the event log, one JSON object a line, where the training has one |
//!
//! A run that was killed at any moment and is started again ends with the same bytes in both
//! checkpoints as one that was left alone.

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
