"""Probabilities of exactly 1 and exactly 0: the bin they are counted in.

Top: 5 rows of confidence 1, of which 4 are right, and 5 of 0.95, all right. In one bin their gaps
cancel: |0.975 - 0.9| = 0.075. If 1 has a bin of its own: (0.2 + 0.05) / 2 = 0.125.
Bottom: the mirror image, 5 probabilities 0, of which 1 is positive, and 5 of 0.05, none positive.
"""

import calibration
import numpy as np
import relplot
import torch
from mapie.metrics.calibration import expected_calibration_error
from netcal.metrics import ECE
from torch_uncertainty.metrics import CalibrationError
from torchmetrics.functional.classification import binary_calibration_error

top = np.array([1.0] * 5 + [0.95] * 5), np.array([1, 1, 1, 1, 0] + [1] * 5)
bottom = np.array([0.0] * 5 + [0.05] * 5), np.array([0, 0, 0, 0, 1] + [0] * 5)


def uncertainty(p, y):
    metric = CalibrationError(task="binary", num_bins=10)
    metric.update(torch.tensor(p, dtype=torch.float32), torch.tensor(y))
    return metric.compute()


PEERS = {
    "netcal": lambda p, y: ECE(10).measure(p, y),
    "torchmetrics": lambda p, y: binary_calibration_error(
        torch.tensor(p, dtype=torch.float32), torch.tensor(y), 10, "l1"),
    "torch-uncertainty": uncertainty,
    "relplot": lambda p, y: relplot.metrics.binnedECE(p, y, nbins=10),
    "uncertainty-calibration": lambda p, y: calibration.get_ece(p, y, num_bins=10),
    "MAPIE (11 edges)": lambda p, y: expected_calibration_error(
        y, p, num_bins=11, split_strategy="uniform"),
}

print(f"{'':24}  p = 1   p = 0")
for name, error in PEERS.items():
    print(f"{name:24}  {float(error(*top)):.3f}   {float(error(*bottom)):.3f}")
