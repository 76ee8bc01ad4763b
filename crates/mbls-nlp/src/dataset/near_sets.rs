//! Groups of sets that lead from one to the other by near copies.
//!
//! The sets of a thousand form letters have nearly everything in common, so that all pairs of them
//! are candidates by any prefix. Four things keep the work from growing with the pairs:
//!
//! 1. An element that one set alone has counts for nothing but the size of that set. Sets that are
//!    equal without such elements make a [`Bucket`]: the similarity of two members depends on their
//!    numbers of own elements alone, so that the member with the fewest decides for all others.
//! 2. Buckets are compared by their prefixes, in ascending order of size, which allows the shorter
//!    prefix of the smaller set (Xiao et al.): sets that differ in a few rare elements are no
//!    candidates if those alone keep them from being near.
//! 3. A bucket's parities of its elements in 256 kinds show of most pairs that they differ in too
//!    much (Sandes, Teodoro, Melo).
//! 4. What is looked for is groups, not pairs: a bucket is compared with the members of a group
//!    only until one of them is near, and never with those of its own group. The rarest elements
//!    come first, by which a near member is found soon.

use hashbrown::HashMap;
use hashbrown::hash_map::Entry;
use rayon::prelude::*;

/// The group of each set, named by its first member. Sets are sorted, without repetition.
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

/// Joins sets that are equal; returns the first of each kind.
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

/// Whether two sets are near by their numbers of elements.
struct Near(f64);

impl Near {
    /// Whether two sets of together `sum` elements, `shared` of which are counted twice, are near.
    fn is(&self, shared: usize, sum: usize) -> bool {
        shared as f64 >= self.0 * (sum - shared) as f64
    }

    /// The fewest elements that two near sets of together `sum` elements share.
    fn least(&self, sum: usize) -> usize {
        let mut least = ceiling(self.0 / (1.0 + self.0) * sum as f64);
        while least <= sum / 2 && !self.is(least, sum) {
            least += 1;
        }
        least
    }

    /// The number of first elements of which a set of this length shares one with any larger near
    /// set.
    fn index_prefix(&self, len: usize) -> usize {
        len.saturating_sub(ceiling(2.0 * self.0 / (1.0 + self.0) * len as f64)) + 1
    }

    /// The number of first elements of which a set of this length shares one with any near set.
    fn probe_prefix(&self, len: usize) -> usize {
        len.saturating_sub(ceiling(self.0 * len as f64)) + 1
    }
}

/// Rounded up, where rounding errors never make it one too many.
fn ceiling(value: f64) -> usize {
    (value - 1e-6).ceil().max(0.0) as usize
}

/// Sets that are equal but for elements that each alone has.
struct Bucket {
    /// What they share, the rarest elements first once they are ranked.
    common: Vec<u32>,
    /// The number of own elements and the place of each, in ascending order.
    members: Vec<(u32, usize)>,
    /// How many members, from the first, are in the group of the first.
    joined: usize,
    /// For each of 256 kinds of elements whether their number in `common` is odd.
    parity: [u64; 4],
}

impl Bucket {
    /// The number of elements of the smallest member.
    fn len(&self) -> usize {
        self.common.len() + self.own()
    }

    fn own(&self) -> usize {
        self.members[0].0 as usize
    }

    /// Joins the members that are near one of a set's length and place with which all share so many
    /// elements.
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

/// The sets at `places` in buckets. Sets without anything in common with another are in none.
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

/// Numbers the elements of all buckets by the number of buckets that have them, the rarest first;
/// returns these numbers of buckets.
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
    /// In ascending order of length.
    buckets: Vec<Bucket>,
    /// The number of buckets that have each element.
    counts: Vec<u32>,
    near: Near,
    /// For each element, the buckets in whose prefix it is.
    index: Vec<Postings>,
    /// The last bucket with which each was compared, and one more.
    compared: Vec<usize>,
}

/// Buckets by their groups.
#[derive(Default)]
struct Postings {
    postings: Vec<Posting>,
    /// How many there were when those of one group were last put together.
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
    /// Its length.
    len: u32,
    /// How many elements follow this one.
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

    /// Elements of the first `prefix` of a bucket that others have as well, each with the number of
    /// those that follow. Own elements come before all others; what one bucket alone has leads
    /// to no other.
    fn prefix(&self, bucket: usize, prefix: usize) -> Vec<(u32, usize)> {
        let Bucket { common, .. } = &self.buckets[bucket];
        let count = prefix.saturating_sub(self.buckets[bucket].own()).min(common.len());
        let elements = common[..count].iter().copied().zip((0..common.len()).rev());
        elements.filter(|(element, _)| self.counts[*element as usize] > 1).collect()
    }

    /// Joins a bucket with the groups of smaller ones that it is near to.
    fn probe(&mut self, bucket: usize, groups: &mut Groups) {
        let (len, place) = (self.buckets[bucket].len(), self.buckets[bucket].members[0].1);
        // Of the length that was last met, since most are of few.
        let (mut other_len, mut least) = (0, self.near.least(len));
        for (element, rest) in self.prefix(bucket, self.near.probe_prefix(len)) {
            let mut index = std::mem::take(&mut self.index[element as usize]);
            index.merge(groups);
            for posting in &index.postings {
                for &other in &posting.entries {
                    // Members of a bucket that are not in the group of its smallest may still be
                    // near those of another; or else nothing can come of a
                    // comparison within a group.
                    let is_joined = posting.is_joined && self.buckets[bucket].is_joined();
                    if is_joined && groups.root(place) == groups.root(posting.group) {
                        break;
                    }
                    if other.len != other_len {
                        other_len = other.len;
                        least = self.near.least(len + other_len as usize);
                    }
                    // What follows an element is all that can be shared besides, if it is the first
                    // that is.
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
        // Every kind of which one has an odd number and the other has not holds an element that
        // they do not share: most of what is not near is seen by that.
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
                    last.entries.push(posted)
                }
                _ => postings.push(Posting { group, is_joined, entries: vec![posted] }),
            }
        }
    }
}

impl Postings {
    /// Puts those of groups that have become one together, once there are twice as many as were
    /// left the last time.
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

/// The number of elements that two sorted sets share; `None` where it is below `least`.
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

/// Sets of places; each place leads to an earlier one of its set, or is its first.
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
