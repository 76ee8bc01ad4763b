//! Weights of the classes in a loss.

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Class weights: every term of a row's loss is multiplied by the weight of the row's label, and a
/// mean divides by the sum of the weights.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(
    untagged,
    expecting = "\"balanced\", a list of numbers in the order of the classes, or a table of numbers by class"
)]
pub enum ClassWeights {
    /// Computed by a rule.
    Rule(ClassWeightRule),
    /// One weight per class, in the order of the classes.
    List(Vec<f64>),
    /// One weight per class, by the class's name.
    ByName(BTreeMap<String, f64>),
}

/// A rule that computes class weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeightRule {
    /// `n / (C n_c)` with n the number of training samples, C the number of classes and n_c the
    /// number of samples of the class (pixels for masks), as scikit-learn's
    /// `class_weight="balanced"`. The weights of all samples sum to n.
    Balanced,
}

impl ClassWeights {
    /// Checks what deserialisation does not.
    ///
    /// # Errors
    ///
    /// Names the field, its value and what was expected.
    pub(super) fn validate(&self) -> Result<()> {
        let weights: Vec<(String, f64)> = match self {
            Self::Rule(ClassWeightRule::Balanced) => return Ok(()),
            Self::List(weights) => weights
                .iter()
                .enumerate()
                .map(|(at, weight)| (format!("[{at}]"), *weight))
                .collect(),
            Self::ByName(weights) => {
                weights.iter().map(|(name, weight)| (format!(".{name}"), *weight)).collect()
            }
        };
        for (place, weight) in &weights {
            ensure!(
                weight.is_finite() && *weight >= 0.0,
                "recipe.class_weights{place} = {weight}: expected a finite number, 0 or greater"
            );
        }
        ensure!(
            weights.iter().any(|(_, weight)| *weight > 0.0),
            "recipe.class_weights: expected a weight greater than 0, found none"
        );
        Ok(())
    }

    /// Returns the weight of each class of a training part, given the names of the classes and the
    /// number of samples of each.
    ///
    /// # Errors
    ///
    /// If the number of weights differs from the number of classes, a name is missing or unknown,
    /// or a class to be balanced has no samples.
    pub fn of_classes(&self, names: &[String], counts: &[u64]) -> Result<Vec<f64>> {
        match self {
            Self::Rule(ClassWeightRule::Balanced) => {
                let (total, classes) = (counts.iter().sum::<u64>() as f64, counts.len() as f64);
                let weight = |(name, count): (&String, &u64)| {
                    ensure!(
                        *count > 0,
                        "recipe.class_weights = \"balanced\": the training part has no samples of the class {name:?}: expected \
                         a list or a table of weights"
                    );
                    Ok(total / (classes * *count as f64))
                };
                names.iter().zip(counts).map(weight).collect()
            }
            Self::List(weights) => {
                let (found, classes) = (weights.len(), names.len());
                ensure!(
                    found == classes,
                    "recipe.class_weights: expected {classes} numbers, one for each of the classes {}, found {found}",
                    listed(names)
                );
                Ok(weights.clone())
            }
            Self::ByName(weights) => {
                let unknown = weights.keys().find(|name| !names.contains(name));
                if let Some(name) = unknown {
                    anyhow::bail!(
                        "recipe.class_weights.{name}: expected one of the classes {}",
                        listed(names)
                    );
                }
                let weight = |name: &String| {
                    weights.get(name).copied().with_context(|| {
                        format!("recipe.class_weights: the class {name:?} is missing")
                    })
                };
                names.iter().map(weight).collect()
            }
        }
    }
}

fn listed(names: &[String]) -> String {
    names.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ClassWeights, String> {
        #[derive(Deserialize)]
        struct Table {
            weights: ClassWeights,
        }
        toml::from_str(&format!("weights = {text}"))
            .map(|table: Table| table.weights)
            .map_err(|error| error.to_string())
    }

    fn of(text: &str, counts: &[u64]) -> Result<Vec<f64>, String> {
        let names: Vec<String> = ["cat", "dog", "owl"].map(str::to_owned).into();
        let weights = read(text)?;
        let checked = weights.validate().and_then(|()| weights.of_classes(&names, counts));
        checked.map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn balanced_weights_match_scikit_learn() {
        // compute_class_weight("balanced", classes=[0, 1, 2], y=[0] * 6 + [1] * 3 + [2])
        let weights = of("\"balanced\"", &[6, 3, 1]).unwrap();
        for (found, expected) in
            weights.iter().zip([0.5555555555555556, 1.1111111111111112, 3.3333333333333335])
        {
            assert_eq!(*found, expected);
        }
        let total: f64 =
            weights.iter().zip([6.0, 3.0, 1.0]).map(|(weight, count)| weight * count).sum();
        assert!((total - 10.0).abs() < 1e-12);
        let error = of("\"balanced\"", &[6, 0, 1]).unwrap_err();
        assert!(error.contains("no samples of the class \"dog\""), "{error}");
    }

    #[test]
    fn weights_are_given_in_the_order_of_the_classes_or_by_name() {
        assert_eq!(of("[1, 2.5, 0]", &[1, 1, 1]), Ok(vec![1.0, 2.5, 0.0]));
        assert_eq!(of("{ owl = 3, cat = 1, dog = 2.5 }", &[1, 1, 1]), Ok(vec![1.0, 2.5, 3.0]));
        for (text, part) in [
            (
                "[1, 2]",
                "expected 3 numbers, one for each of the classes \"cat\", \"dog\", \"owl\", found 2",
            ),
            ("[1, -2, 3]", "recipe.class_weights[1] = -2: expected a finite number, 0 or greater"),
            ("[1, inf, 3]", "recipe.class_weights[1] = inf"),
            ("[1, nan, 3]", "recipe.class_weights[1] = NaN"),
            ("[0, 0, 0]", "expected a weight greater than 0, found none"),
            ("[]", "expected a weight greater than 0, found none"),
            ("{ cat = 1, dog = 2 }", "the class \"owl\" is missing"),
            (
                "{ cat = 1, dog = 2, owl = 3, cow = 1 }",
                "recipe.class_weights.cow: expected one of the classes",
            ),
            ("{ cat = -1 }", "recipe.class_weights.cat = -1"),
            ("\"even\"", "\"balanced\", a list of numbers"),
            ("3", "\"balanced\", a list of numbers"),
        ] {
            let error = of(text, &[1, 1, 1]).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
