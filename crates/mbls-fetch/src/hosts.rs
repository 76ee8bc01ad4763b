//! Hosts are asked for one file at a time.

use crate::manifest::host;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The hosts that were asked, and whether one is being asked.
#[derive(Debug, Default)]
pub(crate) struct Hosts(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Hosts {
    /// Does `work` once nobody else asks the host of that address.
    pub(crate) fn one_at_a_time<T>(&self, url: &str, work: impl FnOnce() -> T) -> T {
        let host = host(url).unwrap_or_default().to_ascii_lowercase();
        let turn =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(host).or_default().clone();
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }
}
