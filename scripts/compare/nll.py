"""A label of probability 0: rows (1, 0) with label 1 and (0.5, 0.5) with label 0.

mbls: `NegativeLogLikelihood` is infinite (test
`a_label_of_probability_zero_has_infinite_likelihood` in
crates/mbls-core/tests/suite/metrics_state.rs, whose second row is (1, 0) with label 1);
`ClippedNegativeLogLikelihood` with f64::EPSILON is (ln 2 - ln EPSILON) / 2 and counts one clipped
row (doctest in crates/mbls-core/src/metric/proper/clipped_nll.rs, with these rows).
"""

import math

import numpy as np
import torch
from probmetrics.metrics import ClippedLogLoss, LogLoss
from sklearn.metrics import log_loss
from torch_uncertainty.metrics import CategoricalNLL

probs, labels = np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([1, 0])

print("(ln 2 - ln EPSILON) / 2         ", (math.log(2) - math.log(np.finfo(float).eps)) / 2)
print("scikit-learn, f64               ", log_loss(labels, probs))
print("scikit-learn, f32               ", float(log_loss(labels, probs.astype(np.float32))))
metric = CategoricalNLL()
metric.update(torch.tensor(probs), torch.tensor(labels))
print("torch-uncertainty CategoricalNLL", float(metric.compute()))
for loss in (LogLoss(), ClippedLogLoss()):
    value = loss.compute_from_labels_probs(torch.tensor(labels), torch.tensor(probs))
    print(f"probmetrics {loss.get_name():20}", float(value))
