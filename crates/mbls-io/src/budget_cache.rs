//! A cache of decoded files with a budget in bytes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Values by index, kept while all of them together take no more than a budget.
///
/// Nothing is replaced: an epoch asks for every item once, so an item that would come in is worth
/// no more than one that would go. Any number of threads may read and keep at once.
///
/// ```
/// use mbls_io::BudgetCache;
///
/// let cache = BudgetCache::new(2, 10);
/// assert!(cache.keep(0, &"decoded", 7) && !cache.keep(1, &"too much", 8));
/// assert_eq!((cache.get(0), cache.get(1), cache.len()), (Some(&"decoded"), None, 1));
/// ```
#[derive(Debug)]
pub struct BudgetCache<T> {
    values: Vec<OnceLock<T>>,
    bytes: AtomicU64,
    budget: u64,
}

impl<T: Clone> BudgetCache<T> {
    /// Makes an empty cache of `items` items and a budget in bytes.
    pub fn new(items: usize, budget: u64) -> Self {
        let values = std::iter::repeat_with(OnceLock::new).take(items).collect();
        Self { values, bytes: AtomicU64::new(0), budget }
    }

    /// Returns the value of an item that is kept.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.values.get(index)?.get()
    }

    /// Keeps a copy of the value of an item, which takes `bytes`, where the budget has room;
    /// whether it is kept now.
    ///
    /// Nothing is copied where there is no room.
    pub fn keep(&self, index: usize, value: &T, bytes: u64) -> bool {
        let Some(slot) = self.values.get(index) else { return false };
        let room = |used: u64| used.checked_add(bytes).filter(|&total| total <= self.budget);
        let reserved = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok();
        // Another thread may have been faster.
        if reserved && slot.set(value.clone()).is_err() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        slot.get().is_some()
    }

    /// Returns whether the budget is spent to the last byte.
    pub fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= self.budget
    }

    /// Returns the number of items that are kept.
    pub fn len(&self) -> usize {
        self.values.iter().filter(|value| value.get().is_some()).count()
    }

    /// Returns whether no item is kept.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Forgets the items, and their places, for whose index `kept` is false.
    pub fn retain(&mut self, kept: impl Fn(usize) -> bool) {
        let mut index = 0;
        self.values.retain(|_| {
            index += 1;
            kept(index - 1)
        });
    }
}
