//! Limits each host to one request at a time.

use crate::manifest::host;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// A lock for each host.
#[derive(Debug, Default)]
pub(crate) struct Hosts(Mutex<HashMap<String, Arc<Mutex<()>>>>);

impl Hosts {
    /// Runs `work` while no other request to the host of the address is in progress.
    pub(crate) fn one_at_a_time<T>(&self, url: &str, work: impl FnOnce() -> T) -> T {
        let host = host(url).unwrap_or_default().to_ascii_lowercase();
        let turn =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(host).or_default().clone();
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        work()
    }
}
