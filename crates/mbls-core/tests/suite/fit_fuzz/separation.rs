//! Tests whether rows can be separated, so that an objective has no optimum.

/// Whether a threshold separates scores: all rows of the class at or above it, all others at or
/// below, and not all at it.
pub(crate) fn by_threshold(scores: &[f64], positive: &[bool], rising_only: bool) -> bool {
    let range = |of: bool| {
        let values = || scores.iter().zip(positive).filter(|(_, p)| **p == of).map(|(s, _)| *s);
        (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max))
    };
    let ((least, most), (least_other, most_other)) = (range(true), range(false));
    let constant = least == most && least == least_other && most == most_other;
    !constant && (least >= most_other || (!rising_only && most <= least_other))
}

/// Whether there is a change `d` of a map along which no margin `a d` decreases and one increases,
/// by the simplex method: the largest sum of margins with `0 <= a d <= 1`. `None` if its tableau
/// has more than `most` numbers.
pub(crate) fn by_direction(margins: &[Vec<f64>], most: usize) -> Option<bool> {
    let mut margins: Vec<Vec<f64>> = margins.to_vec();
    // Scaled to the same size: only signs matter.
    for row in &mut margins {
        let size = row.iter().fold(0f64, |a, b| a.max(b.abs()));
        if size > 0.0 {
            row.iter_mut().for_each(|a| *a /= size);
        }
    }
    margins.sort_by(|a, b| {
        a.iter()
            .zip(b)
            .map(|(a, b)| a.total_cmp(b))
            .find(|o| o.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    margins.dedup();
    let dim = margins.first().map_or(0, Vec::len);
    if dim == 0 || margins.len() * dim > most {
        return None;
    }
    // maximise sum(a d): columns are d+ and d-, rows -a d <= 0 and a d <= 1; slack variables are
    // basic.
    let columns = 2 * dim;
    let (m, width) = (2 * margins.len(), columns + 1);
    let mut table: Vec<Vec<f64>> = Vec::with_capacity(m + 1);
    for row in &margins {
        table.push(row.iter().map(|a| -a).chain(row.iter().copied()).chain([0.0]).collect());
    }
    for row in &margins {
        table.push(row.iter().copied().chain(row.iter().map(|a| -a)).chain([1.0]).collect());
    }
    let total = |j: usize| margins.iter().map(|row| row[j]).sum::<f64>();
    table.push((0..dim).map(|j| -total(j)).chain((0..dim).map(total)).chain([0.0]).collect());
    // Perturbed bounds prevent cycling.
    (0..margins.len())
        .for_each(|i| table[i][columns] = 1e-9 * (1.0 + (i as f64 * 0.618_034).fract()));
    for _ in 0..20_000 {
        let objective = &table[m];
        let entering = (0..columns).min_by(|&a, &b| objective[a].total_cmp(&objective[b]))?;
        if objective[entering] > -1e-9 {
            // A separating direction can be scaled until a margin is 1.
            return Some(table[m][columns] > 0.5);
        }
        let ratio = |i: usize| table[i][columns] / table[i][entering];
        let leaving = (0..m)
            .filter(|&i| table[i][entering] > 1e-9)
            .min_by(|&a, &b| ratio(a).total_cmp(&ratio(b)))?;
        // The entering column becomes that of the leaving variable.
        let pivot = table[leaving][entering];
        let mut row = table[leaving].clone();
        row.iter_mut().for_each(|value| *value /= pivot);
        row[entering] = 1.0 / pivot;
        for (i, other) in table.iter_mut().enumerate().filter(|(i, _)| *i != leaving) {
            let factor = other[entering];
            if factor != 0.0 {
                (0..width).filter(|&j| j != entering).for_each(|j| other[j] -= factor * row[j]);
                other[entering] = -factor / pivot;
            }
            debug_assert!(i <= m);
        }
        table[leaving] = row;
    }
    None
}
