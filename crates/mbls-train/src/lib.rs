//! Training loop with checkpoints, resume and an event log.
//!
//! A [`Task`] says how a batch becomes logits and a loss; the [`Trainer`] owns the loop: epochs, learning rate, clipping,
//! the average of the weights, validation, the choice of the best epoch, checkpoints. It does not know which task it trains.
//!
//! Everything a run leaves lies in its [`RunDirectory`]:
//!
//! | file | content |
//! |---|---|
//! | `last.safetensors` | the checkpoint after the last finished epoch: model, optimizer, average, loss, progress |
//! | `best.safetensors` | model after the epoch with the best validation score: its average, where one is kept |
//! | `events.jsonl` | the event log, one JSON object a line |
//!
//! A run that was killed at any moment and is started again ends with the same bytes in both checkpoints as one that was
//! left alone.

pub mod checkpoint;
mod error;
pub mod event;
mod predict;
mod progress;
mod run;
pub mod task;
mod trainer;

pub use error::{Error, Result};
pub use predict::{Predicted, evaluate, predict};
pub use progress::say;
pub use run::RunDirectory;
pub use task::{Mode, Output, Task, TaskState};
pub use trainer::{Outcome, Trainer, TrainerConfig};
