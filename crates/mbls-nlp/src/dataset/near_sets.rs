//! Connected components of near-duplicate sets.
//!
//! The sets of a thousand form letters share nearly all elements, so all pairs of them are
//! candidates of any prefix filter. Four measures keep the work from growing with the number of
//! pairs:
//!
//! 1. An element that occurs in a single set (a unique element) only affects the size of that set.
//!    Sets that are equal except for unique elements form a [`Bucket`]. The similarity of two
//!    members depends only on their numbers of unique elements, so the member with the fewest of
//!    them decides for all others.
//! 2. Buckets are compared by their prefixes in ascending order of size, which allows the shorter
//!    prefix for the smaller set (Xiao et al.). Sets that differ in a few rare elements are not
//!    candidates if these elements suffice to keep them from being near.
//! 3. Each bucket has the parities of its element counts in 256 hash classes. They rule out most
//!    pairs that differ in too many elements (Sandes, Teodoro, Melo).
//! 4. Only groups are needed, not pairs: a bucket is compared with the members of a group only
//!    until one of them is near, and never with those of its own group. The rarest elements come
//!    first, so a near member is found early.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use rayon::prelude::*;

/// Returns the first member of the group of each set. Sets are sorted and without repetitions.
pub(super) fn groups(sets: &[Vec<u64>], similarity: f64) -> Vec<usize> {
    let near = Near(similarity);
    let mut groups = Groups((0..sets.len()).collect());
    let distinct = join_equal(sets, &mut groups);
    let mut buckets = buckets(sets, &distinct);
    for bucket in &mut buckets {
        bucket.join((bucket.len(), bucket.members[0].1), &near, bucket.common.len(), &mut groups);
    }
    let elements = by_rarity(&mut buckets);
    Join::new(buckets, elements, near).run(&mut groups);
    (0..sets.len()).map(|place| groups.root(place)).collect()
}

/// Unites equal sets; returns the first set of each class of equal sets.
fn join_equal(sets: &[Vec<u64>], groups: &mut Groups) -> Vec<usize> {
    let mut first = HashMap::<&[u64], usize>::new();
    let mut distinct = Vec::new();
    for (place, set) in sets.iter().enumerate() {
        match first.entry(set.as_slice()) {
            Entry::Occupied(entry) => groups.unite(*entry.get(), place),
            Entry::Vacant(entry) => {
                entry.insert(place);
                distinct.push(place);
            }
        }
    }
    distinct
}

/// The threshold of similarity, and the conditions on set sizes that follow from it.
struct Near(f64);

impl Near {
    /// Returns whether two sets are near if their sizes add up to `sum` and they share `shared`
    /// elements.
    fn is(&self, shared: usize, sum: usize) -> bool {
        shared as f64 >= self.0 * (sum - shared) as f64
    }

    /// Returns the minimum number of shared elements of two near sets whose sizes add up to `sum`.
    fn least(&self, sum: usize) -> usize {
        let mut least = ceiling(self.0 / (1.0 + self.0) * sum as f64);
        while least <= sum / 2 && !self.is(least, sum) {
            least += 1;
        }
        least
    }

    /// Returns the length of the prefix of a set of size `len` that shares an element with every
    /// larger near set.
    fn index_prefix(&self, len: usize) -> usize {
        len.saturating_sub(ceiling(2.0 * self.0 / (1.0 + self.0) * len as f64)) + 1
    }

    /// Returns the length of the prefix of a set of size `len` that shares an element with every
    /// near set.
    fn probe_prefix(&self, len: usize) -> usize {
        len.saturating_sub(ceiling(self.0 * len as f64)) + 1
    }
}

/// Rounds up, with a tolerance so that rounding errors never make the result too large.
fn ceiling(value: f64) -> usize {
    (value - 1e-6).ceil().max(0.0) as usize
}

/// Sets that are equal except for their unique elements.
struct Bucket {
    /// The common elements, in ascending order of frequency once they are ranked.
    common: Vec<u32>,
    /// Number of unique elements and index of each member, in ascending order.
    members: Vec<(u32, usize)>,
    /// Number of leading members that are in the group of the first member.
    joined: usize,
    /// Bit set of the hash classes with an odd number of elements in `common`.
    parity: [u64; 4],
}

impl Bucket {
    /// Returns the size of the smallest member.
    fn len(&self) -> usize {
        self.common.len() + self.own()
    }

    fn own(&self) -> usize {
        self.members[0].0 as usize
    }

    /// Unites the members that are near a set of size `len` at index `place`, with which all
    /// members share `shared` elements.
    fn join(
        &mut self,
        (len, place): (usize, usize),
        near: &Near,
        shared: usize,
        groups: &mut Groups,
    ) {
        for &(own, member) in &self.members[self.joined..] {
            if !near.is(shared, self.common.len() + own as usize + len) {
                break;
            }
            groups.unite(place, member);
            self.joined += 1;
        }
    }

    fn is_joined(&self) -> bool {
        self.joined == self.members.len()
    }
}

/// Puts the sets at `places` into buckets. Sets that share no element with another set are in none.
fn buckets(sets: &[Vec<u64>], places: &[usize]) -> Vec<Bucket> {
    let mut all: Vec<u64> = places.iter().flat_map(|&place| &sets[place]).copied().collect();
    all.par_sort_unstable();
    let common: HashMap<u64, u32> = all
        .chunk_by(|a, b| a == b)
        .filter(|run| run.len() > 1)
        .map(|run| run[0])
        .zip(0..)
        .collect();
    let shared = |&place: &usize| -> Vec<u32> {
        sets[place].iter().filter_map(|hash| common.get(hash).copied()).collect()
    };
    let shared: Vec<Vec<u32>> = places.par_iter().map(shared).collect();
    let mut found = HashMap::<Vec<u32>, Vec<(u32, usize)>>::new();
    for (set, &place) in shared.into_iter().zip(places).filter(|(set, _)| !set.is_empty()) {
        let own = (sets[place].len() - set.len()) as u32;
        found.entry(set).or_default().push((own, place));
    }
    let mut buckets: Vec<Bucket> = found
        .into_iter()
        .map(|(common, mut members)| {
            members.sort_unstable();
            Bucket { common, members, joined: 1, parity: [0; 4] }
        })
        .collect();
    buckets.sort_unstable_by_key(|bucket| (bucket.len(), bucket.members[0].1));
    buckets
}

/// Renumbers the elements of all buckets by ascending frequency, which is the number of buckets
/// that contain them; returns the frequencies.
fn by_rarity(buckets: &mut [Bucket]) -> Vec<u32> {
    let elements = buckets
        .iter()
        .flat_map(|bucket| &bucket.common)
        .max()
        .map_or(0, |&largest| largest as usize + 1);
    let mut counts = vec![0u32; elements];
    buckets
        .iter()
        .flat_map(|bucket| &bucket.common)
        .for_each(|&element| counts[element as usize] += 1);
    let mut order: Vec<u32> = (0..elements as u32).collect();
    order.par_sort_unstable_by_key(|&element| (counts[element as usize], element));
    let mut ranks = vec![0u32; elements];
    order.iter().zip(0..).for_each(|(&element, rank)| ranks[element as usize] = rank);
    buckets.par_iter_mut().for_each(|bucket| {
        bucket.common.iter_mut().for_each(|element| *element = ranks[*element as usize]);
        bucket.common.sort_unstable();
        for &element in &bucket.common {
            let kind = element.wrapping_mul(0x9e37_79b9) >> 24;
            bucket.parity[kind as usize / 64] ^= 1 << (kind % 64);
        }
    });
    order.into_iter().map(|element| counts[element as usize]).collect()
}

/// The comparison of buckets.
struct Join {
    /// Buckets in ascending order of length.
    buckets: Vec<Bucket>,
    /// Number of buckets that contain each element.
    counts: Vec<u32>,
    near: Near,
    /// For each element, the buckets that have it in their prefix.
    index: Vec<Postings>,
    /// One plus the last bucket that each bucket was compared with.
    compared: Vec<usize>,
}

/// Buckets with an element in their prefix, by group.
#[derive(Default)]
struct Postings {
    postings: Vec<Posting>,
    /// Number of postings after the last merge.
    merged: usize,
}

/// Buckets of one group.
struct Posting {
    /// A member of the group.
    group: usize,
    /// Whether all members of these buckets are in the group.
    is_joined: bool,
    entries: Vec<Posted>,
}

/// A bucket with an element in its prefix.
#[derive(Clone, Copy)]
struct Posted {
    bucket: u32,
    /// Length of the bucket.
    len: u32,
    /// Number of elements after this one.
    rest: u32,
}

impl Join {
    fn new(buckets: Vec<Bucket>, counts: Vec<u32>, near: Near) -> Self {
        let index = counts.iter().map(|_| Postings::default()).collect();
        let compared = vec![0; buckets.len()];
        Self { buckets, counts, near, index, compared }
    }

    fn run(mut self, groups: &mut Groups) {
        for bucket in 0..self.buckets.len() {
            self.probe(bucket, groups);
            self.insert(bucket, groups);
        }
    }

    /// Returns the elements in the prefix of length `prefix` of a bucket that occur in other
    /// buckets, with the number of elements after each. Unique elements of the smallest member come
    /// first in the prefix. Elements of a single bucket cannot lead to another bucket.
    fn prefix(&self, bucket: usize, prefix: usize) -> Vec<(u32, usize)> {
        let Bucket { common, .. } = &self.buckets[bucket];
        let count = prefix.saturating_sub(self.buckets[bucket].own()).min(common.len());
        let elements = common[..count].iter().copied().zip((0..common.len()).rev());
        elements.filter(|(element, _)| self.counts[*element as usize] > 1).collect()
    }

    /// Unites a bucket with the groups of smaller buckets that it is near to.
    fn probe(&mut self, bucket: usize, groups: &mut Groups) {
        let (len, place) = (self.buckets[bucket].len(), self.buckets[bucket].members[0].1);
        // Cached for the last length, because there are few different lengths.
        let (mut other_len, mut least) = (0, self.near.least(len));
        for (element, rest) in self.prefix(bucket, self.near.probe_prefix(len)) {
            let mut index = std::mem::take(&mut self.index[element as usize]);
            index.merge(groups);
            for posting in &index.postings {
                for &other in &posting.entries {
                    // A comparison within a group is useless, unless a bucket has members that are
                    // not yet in the group of its smallest member.
                    let is_joined = posting.is_joined && self.buckets[bucket].is_joined();
                    if is_joined && groups.root(place) == groups.root(posting.group) {
                        break;
                    }
                    if other.len != other_len {
                        other_len = other.len;
                        least = self.near.least(len + other_len as usize);
                    }
                    // If this is the first shared element, only elements after it can also be
                    // shared.
                    let is_possible = 1 + rest.min(other.rest as usize) >= least;
                    if is_possible && self.compared[other.bucket as usize] != bucket + 1 {
                        self.compared[other.bucket as usize] = bucket + 1;
                        self.compare([bucket, other.bucket as usize], least, groups);
                    }
                }
            }
            self.index[element as usize] = index;
        }
    }

    fn compare(&mut self, pair: [usize; 2], least: usize, groups: &mut Groups) {
        let [a, b] = pair.map(|bucket| &self.buckets[bucket]);
        // Each hash class with different parities contains an element that is not shared. This
        // rules out most pairs that are not near.
        let odd: u32 = a.parity.iter().zip(b.parity).map(|(a, b)| (a ^ b).count_ones()).sum();
        if a.own() + b.own() + odd as usize > (a.len() + b.len()).saturating_sub(2 * least) {
            return;
        }
        let Some(shared) = shared(&a.common, &b.common, least) else { return };
        let smallest = [a, b].map(|bucket| (bucket.len(), bucket.members[0].1));
        groups.unite(smallest[0].1, smallest[1].1);
        for (bucket, other) in [(pair[0], smallest[1]), (pair[1], smallest[0])] {
            self.buckets[bucket].join(other, &self.near, shared, groups);
        }
    }

    fn insert(&mut self, bucket: usize, groups: &mut Groups) {
        let (len, is_joined) = (self.buckets[bucket].len(), self.buckets[bucket].is_joined());
        let group = groups.root(self.buckets[bucket].members[0].1);
        for (element, rest) in self.prefix(bucket, self.near.index_prefix(len)) {
            let posted = Posted { bucket: bucket as u32, len: len as u32, rest: rest as u32 };
            let postings = &mut self.index[element as usize].postings;
            match postings.last_mut() {
                Some(last) if last.is_joined == is_joined && last.group == group => {
                    last.entries.push(posted);
                }
                _ => postings.push(Posting { group, is_joined, entries: vec![posted] }),
            }
        }
    }
}

impl Postings {
    /// Merges the postings of groups that were united, once there are twice as many postings as
    /// after the last merge.
    fn merge(&mut self, groups: &mut Groups) {
        if self.postings.len() < 2 * self.merged.max(4) {
            return;
        }
        let mut place = HashMap::<(usize, bool), usize>::new();
        let mut kept: Vec<Posting> = Vec::new();
        for mut posting in self.postings.drain(..) {
            posting.group = groups.root(posting.group);
            match place.entry((posting.group, posting.is_joined)) {
                Entry::Vacant(entry) => {
                    entry.insert(kept.len());
                    kept.push(posting);
                }
                Entry::Occupied(entry) => {
                    let into = &mut kept[*entry.get()].entries;
                    if into.len() < posting.entries.len() {
                        std::mem::swap(into, &mut posting.entries);
                    }
                    into.append(&mut posting.entries);
                }
            }
        }
        self.merged = kept.len();
        self.postings = kept;
    }
}

/// Returns the number of elements that two sorted sets share; `None` if it is below `least`.
fn shared(a: &[u32], b: &[u32], least: usize) -> Option<usize> {
    let (mut i, mut j, mut shared) = (0, 0, 0usize);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        if shared + (a.len() - i).min(b.len() - j) < least {
            return None;
        }
        shared += usize::from(x == y);
        (i, j) = (i + usize::from(x <= y), j + usize::from(y <= x));
    }
    (shared >= least).then_some(shared)
}

/// A disjoint-set forest. The parent of an index is an earlier index of its set, or itself for the
/// first one.
struct Groups(Vec<usize>);

impl Groups {
    fn root(&mut self, mut place: usize) -> usize {
        while self.0[place] != place {
            self.0[place] = self.0[self.0[place]];
            place = self.0[place];
        }
        place
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}
