"""Scaling of the Brier score: one row of two classes, probabilities (0.75, 0.25), label 0.

mbls asserts 0.125 for this row in the doctest of `PredictionMetric`
(crates/mbls-core/src/metric/contract.rs).
"""

import numpy as np
import torch
from probmetrics.metrics import BrierLoss
from sklearn.metrics import brier_score_loss
from torch_uncertainty.metrics import BrierScore

probs, labels = [[0.75, 0.25]], [0]
print("scikit-learn, scale_by_half='auto'",
      brier_score_loss(labels, np.array(probs), labels=[0, 1]))
print("scikit-learn, scale_by_half=False ",
      brier_score_loss(labels, np.array(probs), labels=[0, 1], scale_by_half=False))
metric = BrierScore(num_classes=2)
metric.update(torch.tensor(probs), torch.tensor(labels))
print("torch-uncertainty                 ", float(metric.compute()))
value = BrierLoss().compute_from_labels_probs(torch.tensor(labels), torch.tensor(probs))
print("probmetrics                       ", float(value))
