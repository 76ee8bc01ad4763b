//! A cache of decoded files with a budget in bytes.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// A cache of values by index whose total size stays within a budget.
///
/// Nothing is evicted: an epoch requests every item once, so a new item is worth no more than a
/// cached one. Any number of threads may read and write concurrently.
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
    /// Creates an empty cache for `items` items with a budget in bytes.
    pub fn new(items: usize, budget: u64) -> Self {
        let values = std::iter::repeat_with(OnceLock::new).take(items).collect();
        Self { values, bytes: AtomicU64::new(0), budget }
    }

    /// Returns the cached value of an item.
    pub fn get(&self, index: usize) -> Option<&T> {
        self.values.get(index)?.get()
    }

    /// Caches a copy of the value of an item, which takes `bytes`, if the budget has room. Returns
    /// whether the item is now cached.
    ///
    /// Nothing is copied if there is no room.
    pub fn keep(&self, index: usize, value: &T, bytes: u64) -> bool {
        let Some(slot) = self.values.get(index) else { return false };
        let room = |used: u64| used.checked_add(bytes).filter(|&total| total <= self.budget);
        let reserved = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_ok();
        // Another thread may have cached the item first.
        if reserved && slot.set(value.clone()).is_err() {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        }
        slot.get().is_some()
    }

    /// Returns whether the budget is fully used.
    pub fn is_full(&self) -> bool {
        self.bytes.load(Ordering::Relaxed) >= self.budget
    }

    /// Returns the number of cached items.
    pub fn len(&self) -> usize {
        self.values.iter().filter(|value| value.get().is_some()).count()
    }

    /// Returns whether no item is cached.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes the items for whose index `kept` returns false; later items move to lower indices.
    pub fn retain(&mut self, kept: impl Fn(usize) -> bool) {
        let mut index = 0;
        self.values.retain(|_| {
            index += 1;
            kept(index - 1)
        });
    }
}
