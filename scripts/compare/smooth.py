"""Smooth ECE at its ends: large errors, and confidences of exactly 1.

mbls: 0.4465 within 1e-3 for the first rows by the definition (test
`smooth_ece_is_right_for_every_error` in crates/mbls-core/tests/suite/calibration_errors/smooth.rs);
relplot's value to 1e-9 with `SmoothConvention::Reference` (test `relplot` in published.rs).
"""

import numpy as np
import relplot
import torch
from torch_uncertainty.metrics import SmoothCalibrationError


def torch_uncertainty(f, y, kernel):
    metric = SmoothCalibrationError(kernel_type=kernel)
    metric.update(torch.tensor(f, dtype=torch.float32), torch.tensor(y.astype(int)))
    return float(metric.compute())


f, y = np.array([0.05] * 2000 + [0.95] * 2000), np.array([1.0] * 2000 + [0.0] * 2000)
print("2000 rows of 0.05, all positive, 2000 of 0.95, all negative")
print(f"    relplot {relplot.smECE(f, y):.4f}")

for ones in (0, 500):
    rest = 1000 - ones
    f = np.array([1.0] * ones + [0.7] * rest)
    y = np.array([1.0] * ones + [1.0] * (rest // 2) + [0.0] * (rest - rest // 2))
    print(f"{ones} rows of 1, all right, {rest} of 0.7, half right: binned ECE {rest / 5000:.2f}")
    print(f"    relplot                         {relplot.smECE(f, y):.4f}")
    for kernel in ("logit", "reflected"):
        name = f"torch-uncertainty, {kernel}"
        print(f"    {name:31} {torch_uncertainty(f, y, kernel):.4f}")
