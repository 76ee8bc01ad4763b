//! Mutates the numbers and lists of JSON documents, so most of the fuzzer's inputs pass the parser.

use libfuzzer_sys::fuzzer_mutate;
use serde_json::{Number, Value};

/// Counts, sums, samples, keys and settings at their limits.
const NUMBERS: [i128; 24] = [
    0,
    1,
    2,
    3,
    15,
    4096,
    65536,
    65537,
    1 << 47,
    (1 << 47) + 1,
    1 << 60,
    (1 << 60) + 1,
    1 << 61,
    (1 << 61) + 1,
    1 << 63,
    u64::MAX as i128,
    // The keys of the largest finite score and of infinity.
    (1 << 63) + 0x7fef_ffff_ffff_ffff,
    (1 << 63) + 0x7ff0_0000_0000_0000,
    1 << 107,
    (1 << 107) + 1,
    i128::MAX,
    i128::MIN,
    i128::MAX / 2 + 1,
    -1,
];

const FLOATS: [f64; 8] = [0.0, -0.0, 0.5, 1.0, 1e-320, 1e308, -1.5, 0.1];

/// Generates small pseudo-random numbers from a seed (splitmix64).
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound as u64) as usize
    }
}

/// Mutates the input: for every other seed as a JSON document, if the bytes are one, otherwise as
/// bytes.
pub fn mutate_bytes(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    if seed.is_multiple_of(2)
        && let Ok(mut document) = serde_json::from_slice(&data[..size])
    {
        mutate(&mut document, &mut Draws(seed.into()));
        let bytes = document.to_string().into_bytes();
        if bytes.len() <= max_size {
            data[..bytes.len()].copy_from_slice(&bytes);
            return bytes.len();
        }
    }
    fuzzer_mutate(data, size, max_size)
}

/// Mutates a random node of a document, chosen by walking down from the root.
fn mutate(value: &mut Value, draws: &mut Draws) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            let chosen = draws.below(map.len());
            if let Some(child) = map.values_mut().nth(chosen) {
                mutate(child, draws);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let chosen = draws.below(items.len());
            match draws.below(6) {
                0 => drop(items.remove(chosen)),
                1 => items.insert(chosen, items[chosen].clone()),
                2 => items.reverse(),
                _ => mutate(&mut items[chosen], draws),
            }
        }
        Value::Array(items) => items.push((NUMBERS[draws.below(NUMBERS.len())] as u64).into()),
        Value::Number(number) => *number = changed(number, draws),
        Value::String(text) => {
            if let Ok(sum) = text.parse::<i128>() {
                let change = NUMBERS[draws.below(NUMBERS.len())];
                let sum = [change, sum.saturating_add(change), sum.saturating_sub(change), sum.saturating_mul(2)];
                *text = sum[draws.below(sum.len())].to_string();
            }
        }
        Value::Object(_) | Value::Null | Value::Bool(_) => {}
    }
}

fn changed(number: &Number, draws: &mut Draws) -> Number {
    if draws.below(8) == 0 {
        return Number::from_f64(FLOATS[draws.below(FLOATS.len())]).unwrap_or_else(|| 0.into());
    }
    let old = number.as_u64().unwrap_or(0);
    let change = NUMBERS[draws.below(NUMBERS.len())] as u64;
    [change, old.wrapping_add(change), old.wrapping_sub(change), old.wrapping_mul(2)][draws.below(4)].into()
}
