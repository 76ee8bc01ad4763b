"""Class-wise calibration error: a class that no label names, and probabilities of exactly 0.

Four rows of three classes in 10 bins; class 2 has no label, and its probability is 0 in two rows.
Errors of the classes, by hand: 0.25, 0.25 and 0.1.
"""

import calibration
import numpy as np
import torch
from mapie.metrics.calibration import top_label_ece
from torchmetrics.functional.classification import multiclass_calibration_error
from torch_uncertainty.metrics import ClasswiseCalibrationError

probs = np.array([[0.75, 0.25, 0.0], [0.75, 0.25, 0.0], [0.65, 0.15, 0.2], [0.15, 0.65, 0.2]])
labels = np.array([0, 0, 0, 1])

for p in (1, 2):
    value = calibration.lower_bound_scaling_ce(
        probs, labels, p=p, debias=False, num_bins=10,
        binning_scheme=calibration.get_equal_prob_bins, mode="marginal")
    print(f"uncertainty-calibration, p={p}, mean over 3 classes: {value:.6f}")
for reduction in ("mean", "sum", "none"):
    metric = ClasswiseCalibrationError(num_classes=3, num_bins=10, reduction=reduction)
    metric.update(torch.tensor(probs), torch.tensor(labels))
    value = metric.compute()
    text = [round(float(v), 6) for v in value] if value.ndim else f"{float(value):.6f}"
    print(f"torch-uncertainty, reduction={reduction}: {text}")

# An error of the prediction alone, one diagram for all predictions or one per predicted class.
p = np.array([[0.75, 0.15, 0.1]] * 4 + [[0.15, 0.75, 0.1]] * 2)
y = np.array([0, 0, 0, 0, 2, 2])
pooled = multiclass_calibration_error(torch.tensor(p), torch.tensor(y), 3, 10, "l1")
print(f"torchmetrics, pooled {float(pooled):.4f},"
      f" MAPIE top_label_ece {top_label_ece(y, p, num_bins=11):.4f}")
