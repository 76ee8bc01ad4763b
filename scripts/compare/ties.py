"""Equal-mass bins where confidences are equal.

Ten binary probabilities: eight of 0.9 (labels 1 1 1 1 0 0 0 0), then 0.6 (1) and 0.7 (1); 5 bins.
The order of equal rows carries no information, so each error is computed for two orders.
"""

import calibration
import numpy as np
import torch
from mapie.metrics.calibration import _calc_bins, expected_calibration_error
from netcal.metrics import ECE
from sklearn.calibration import calibration_curve
from torch_uncertainty.metrics import AdaptiveCalibrationError

p = np.array([0.9] * 8 + [0.6, 0.7])
y = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 1])
other = np.array([0, 4, 1, 5, 2, 6, 3, 7, 8, 9])  # the same rows, the eight ties interleaved


def uncertainty(p, y):
    metric = AdaptiveCalibrationError(task="binary", num_bins=5)
    metric.update(torch.tensor(p), torch.tensor(y))
    return float(metric.compute())


def both(name, error):
    values, reason = [], None
    for order in (np.arange(10), other):
        try:
            values.append(f"{float(error(p[order], y[order])):.4f}")
        except Exception as failure:
            values.append(type(failure).__name__)
            reason = f"    {failure}"
    print(f"{name:36} {values[0]}   {values[1]}")
    if reason:
        print(reason)


both("netcal, equal_intervals=False", lambda p, y: ECE(5, equal_intervals=False).measure(p, y))
both("torch-uncertainty", uncertainty)
both("uncertainty-calibration get_ece_em", lambda p, y: calibration.get_ece_em(p, y, num_bins=5))
for strategy in ("quantile", "array split"):
    both(f"MAPIE {strategy}, 5", lambda p, y: expected_calibration_error(
        y, p, num_bins=5, split_strategy=strategy))

print("bins of uncertainty-calibration, upper edges:",
      [round(float(edge), 3) for edge in calibration.get_equal_bins(p.tolist(), 5)])
true, _ = calibration_curve(y, p, n_bins=5, strategy="quantile")
print("scikit-learn calibration_curve, quantile, n_bins=5: points", len(true))
