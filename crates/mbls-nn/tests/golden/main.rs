//! The layers, optimizers and schedules against values that PyTorch computed: whatever cases the directory of golden values holds.

mod models;
mod optim;
