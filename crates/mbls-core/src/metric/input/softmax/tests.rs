use super::number::Number;
use super::{LANES, Rows, columns, rank, rows};
use crate::simd::on_base;
use rand::{RngExt, SeedableRng};

fn logits(n: usize, seed: u64) -> Vec<f32> {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    // Every fourth score is an integer, so scores tie.
    let score = |rng: &mut rand_chacha::ChaCha8Rng| rng.random_range(-20.0f32..20.0);
    (0..n).map(|i| if i % 4 == 0 { score(&mut rng).round() } else { score(&mut rng) }).collect()
}

/// A row of [`Rows`].
#[derive(Clone, Copy, Debug, PartialEq)]
struct Row {
    predicted: u32,
    rank: u32,
    confidence: f64,
    log_prob: f64,
    brier: f64,
}

fn row(rows: &Rows, i: usize) -> Row {
    Row {
        predicted: rows.predicted[i],
        rank: rows.rank[i],
        confidence: rows.confidence[i],
        log_prob: rows.log_prob[i],
        brier: rows.brier[i],
    }
}

/// Computes the formulas directly with the platform's functions.
fn slow(row: &[f32], label: usize, b: f64) -> Row {
    let max = row.iter().fold(f32::NEG_INFINITY, |a, &x| a.max(x));
    let e: Vec<f64> = row.iter().map(|&x| ((f64::from(x) - f64::from(max)) * b).exp()).collect();
    let sum: f64 = e.iter().sum();
    Row {
        predicted: row.iter().position(|&x| x == max).unwrap() as u32,
        rank: row
            .iter()
            .enumerate()
            .filter(|&(k, &x)| x > row[label] || x == row[label] && k < label)
            .count() as u32,
        confidence: 1.0 / sum,
        log_prob: (f64::from(row[label]) - f64::from(max)) * b - sum.ln(),
        brier: e
            .iter()
            .enumerate()
            .map(|(k, e)| (e / sum - f64::from(u8::from(k == label))).powi(2))
            .sum(),
    }
}

/// Selects the class numbers to test: under an interpreter, which is slow, one of each kind.
fn tested(classes: usize) -> bool {
    !cfg!(miri) || [8, 21, 65].contains(&classes)
}

fn labels(n: usize, classes: usize) -> Vec<u32> {
    (0..n).map(|i| (i * 7 % classes) as u32).collect()
}

#[test]
fn both_forms_equal_the_formulas() {
    for classes in [2, 3, 8, 21, 64, 65, 100, 1000].into_iter().filter(|&c| tested(c)) {
        let (n, b) = (2 * LANES + 3, 0.7);
        let (logits, labels) = (logits(n * classes, classes as u64), labels(n, classes));
        let mut found = vec![Rows::default(); 2];
        rows::summarise(&logits, classes, &labels, b, &mut found[0]);
        if classes <= super::FEW {
            columns::summarise(&logits, classes, &labels, b, &mut found[1]);
        } else {
            found.pop();
        }
        for found in found {
            for (i, (logits, &label)) in logits.chunks(classes).zip(&labels).enumerate() {
                let (found, expected) = (row(&found, i), slow(logits, label as usize, b));
                assert_eq!((found.predicted, found.rank), (expected.predicted, expected.rank));
                let pairs = [
                    (found.confidence, expected.confidence),
                    (found.log_prob, expected.log_prob),
                    (found.brier, expected.brier),
                ];
                for (found, expected) in pairs {
                    assert!(
                        (found - expected).abs() <= 1e-14 * (1.0 + expected.abs()),
                        "{found} {expected}"
                    );
                }
            }
        }
    }
}

/// The code without vector instructions, and a single row, are bit-identical to the dispatched
/// block.
#[test]
fn bits_depend_on_neither_the_machine_nor_the_block() {
    for classes in [5, 21, 64, 65, 130].into_iter().filter(|&c| tested(c)) {
        let n = 29;
        let (logits, labels) = (logits(n * classes, 9), labels(n, classes));
        for b in [0.7, 50.0] {
            let block = super::summarise(&logits, classes, &labels, b);
            assert_eq!(block, on_base(|| super::summarise(&logits, classes, &labels, b)));
        }
        let block = super::summarise(&logits, classes, &labels, 1.0);
        assert_eq!(block, on_base(|| super::summarise(&logits, classes, &labels, 1.0)));
        let probs = super::probabilities(&logits, classes, 1.0);
        assert_eq!(probs, on_base(|| super::probabilities(&logits, classes, 1.0)));
        for (i, (logits, label)) in logits.chunks(classes).zip(&labels).enumerate() {
            assert_eq!(
                super::summarise(logits, classes, &[*label], 1.0),
                block.select(&[i as u32])
            );
            let probs = &probs[i * classes..][..classes];
            assert_eq!(super::probabilities(logits, classes, 1.0), probs);
            assert_eq!(probs[block.predicted[i] as usize], block.confidence[i]);
        }
    }
}

#[test]
fn scores_that_are_not_finite_are_found() {
    fn check<T: Number>(mut logits: Vec<T>, wrong: T) {
        for finite in [true, false] {
            assert_eq!(super::all_ordinary(&logits), finite);
            assert_eq!(on_base(|| super::all_ordinary(&logits)), finite);
            let at = logits.len() - 2;
            logits[at] = wrong;
        }
    }
    for n in [2, 33, 700] {
        for wrong in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            check(logits(n, 1), wrong);
            check(logits(n, 1).into_iter().map(f64::from).collect(), wrong.into());
        }
    }
}

#[test]
fn ranks_break_ties_to_the_lower_index() {
    let row = [1.0, 3.0, 1.0, 3.0];
    assert_eq!([0, 1, 2, 3].map(|label| rank(&row, label)), [2, 0, 3, 1]);
}
