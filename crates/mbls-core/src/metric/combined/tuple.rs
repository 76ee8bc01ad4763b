//! Combines several metrics into one.

use crate::Result;
use crate::metric::contract::Metric;
use crate::metric::saved::{self, MetricState};

/// Implements [`Metric`] for a tuple of metrics of the same input, which reads each batch once for
/// all of them.
macro_rules! tuple {
    ($first:ident $first_index:tt, $($other:ident $index:tt),+) => {
        /// Combines metrics of the same input into one whose value is the tuple of their values. It
        /// reads each batch once, and either all metrics accept the batch or, if one fails, none
        /// does. It is serialised as the list of their saved states.
        ///
        /// ```
        /// use mbls_core::metric::{Accuracy, BrierScore, Metric, measure_logits};
        ///
        /// let metrics = (Accuracy::new(), BrierScore::new());
        /// let (accuracy, brier) = measure_logits(&metrics, &[2.0, 0.0], 2, &[0])?.value().expect("a row");
        /// assert_eq!(accuracy, Some(1.0));
        /// assert!(brier.is_some_and(|brier| brier < 0.03));
        /// # Ok::<(), mbls_core::Error>(())
        /// ```
        impl<$first, $($other),+> Metric for ($first, $($other),+)
        where
            $first: Metric,
            $($other: for<'a> Metric<Input<'a> = $first::Input<'a>>),+
        {
            type Input<'a> = $first::Input<'a>;
            /// Each value is `None` if its metric has none.
            type Value = (Option<$first::Value>, $(Option<$other::Value>),+);

            saved::named_by!(Tuple);

            fn empty(&self) -> Self {
                (self.$first_index.empty(), $(self.$index.empty()),+)
            }

            fn check_update(&self, input: Self::Input<'_>) -> Result<()> {
                self.$first_index.check_update(input)?;
                $(self.$index.check_update(input)?;)+
                Ok(())
            }

            fn update(&mut self, input: Self::Input<'_>) -> Result<()> {
                self.check_update(input)?;
                self.$first_index.update(input)?;
                $(self.$index.update(input)?;)+
                Ok(())
            }

            fn check_merge(&self, other: &Self) -> Result<()> {
                self.$first_index.check_merge(&other.$first_index)?;
                $(self.$index.check_merge(&other.$index)?;)+
                Ok(())
            }

            fn merge(&mut self, other: Self) -> Result<()> {
                self.check_merge(&other)?;
                self.$first_index.merge(other.$first_index)?;
                $(self.$index.merge(other.$index)?;)+
                Ok(())
            }

            /// Returns `None` if none of the metrics has a value.
            fn value(&self) -> Option<Self::Value> {
                let values = (self.$first_index.value(), $(self.$index.value()),+);
                let any = values.$first_index.is_some() $(|| values.$index.is_some())+;
                any.then_some(values)
            }

            fn size(&self) -> usize {
                self.$first_index.size() $(+ self.$index.size())+
            }
        }
    };
}

/// Provides the metric name of tuples.
struct Tuple;

impl MetricState for Tuple {
    const METRIC: &'static str = "tuple";
}

tuple!(A 0, B 1);
tuple!(A 0, B 1, C 2);
tuple!(A 0, B 1, C 2, D 3);
tuple!(A 0, B 1, C 2, D 3, E 4);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6);
tuple!(A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7);

#[cfg(test)]
mod tests {
    use crate::metric::{
        Accuracy, BalancedAccuracy, Metric, PredictionMetric, Predictions, ReliabilityBins,
        TopKAccuracy,
    };
    use crate::{Error, metric::measure_logits};

    fn accuracies<M: PredictionMetric>(metric: &M, rows: &Predictions) -> M {
        let mut metric = metric.empty();
        metric.update(rows).unwrap();
        metric
    }

    #[test]
    fn a_tuple_is_its_metrics() {
        let (logits, labels) = ([2.0f32, 0.0, 1.0, 0.5, 3.0, 0.0], [0u32, 1]);
        let rows = Predictions::from_logits(&logits, 3, &labels).unwrap();
        let (top_2, bins) = (TopKAccuracy::new(2).unwrap(), ReliabilityBins::new(5).unwrap());
        let tuple = (Accuracy::new(), top_2.clone(), bins.clone());
        let measured = accuracies(&tuple, &rows);
        let alone = (
            accuracies(&Accuracy::new(), &rows),
            accuracies(&top_2, &rows),
            accuracies(&bins, &rows),
        );
        assert!(measured == alone);
        assert_eq!(measured.value(), Some((alone.0.value(), alone.1.value(), alone.2.value())));
        assert_eq!((tuple.value(), measured.empty().value()), (None, None));
        assert!(
            measure_logits(&measured, &logits, 3, &labels).unwrap() == alone,
            "rows seen before are not included"
        );
        assert_eq!(measured.size(), alone.0.size() + alone.1.size() + alone.2.size());

        let saved = serde_json::to_string(&measured).unwrap();
        assert_eq!(
            serde_json::from_str::<(Accuracy, TopKAccuracy, ReliabilityBins)>(&saved).unwrap(),
            measured
        );
    }

    #[test]
    fn a_batch_that_one_metric_cannot_take_changes_none() {
        let of_two = Predictions::from_logits(&[1.0, 0.0], 2, &[0]).unwrap();
        let of_three = Predictions::from_logits(&[1.0, 0.0, 0.0], 3, &[0]).unwrap();
        let mut metrics = accuracies(&(Accuracy::new(), BalancedAccuracy::new()), &of_two);
        let before = metrics.clone();
        assert!(matches!(metrics.update(&of_three), Err(Error::Shape { .. })));
        assert!(metrics == before);
        let other = accuracies(&metrics, &of_three);
        assert!(matches!(metrics.merge(other), Err(Error::Merge { .. })));
        assert!(metrics == before);
        metrics.update(&of_two).unwrap();
        assert_eq!(metrics.value(), Some((Some(1.0), Some(1.0))));
    }
}
