"""Bins without rows: six probabilities in 2 of 10 bins."""

import numpy as np
import torch
from mapie.metrics.calibration import _calc_bins
from netcal.metrics import ACE, MCE
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error

p, y = np.array([0.25, 0.25, 0.25, 0.85, 0.85, 0.85]), np.array([0, 0, 1, 1, 1, 0])

true, mean = calibration_curve(y, p, n_bins=10)
print("scikit-learn calibration_curve, n_bins=10: points", len(true))
_, _, _, sizes = _calc_bins(y, p, 10, "uniform")
print("MAPIE num_bins=10: rows of its bins", sizes.astype(int).tolist())
print(f"netcal MCE {MCE(10).measure(p, y):.4f}, ACE {ACE(10).measure(p, y):.4f}"
      " (the mean over the 2 bins that hold rows)")
maximum = binary_calibration_error(torch.tensor(p), torch.tensor(y), 10, "max")
print(f"torchmetrics max {maximum:.4f}")
