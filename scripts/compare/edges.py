"""Which bin a probability on an edge belongs to.

Three probabilities of class 1 in 10 bins: 0.45 (label 0), 0.5 (label 1), 0.55 (label 0). Where the
bin is (lower, upper], 0.5 joins 0.45: ECE = (2 * 0.025 + 0.55) / 3 = 0.2. Where it is
[lower, upper), 0.5 joins 0.55: ECE = (0.45 + 2 * 0.025) / 3 = 0.1667.
"""

import calibration
import numpy as np
import relplot
import torch
from mapie.metrics.calibration import expected_calibration_error
from netcal.metrics import ECE
from sklearn.calibration import calibration_curve
from torch_uncertainty.metrics import CalibrationError
from torchmetrics.functional.classification import binary_calibration_error

p, y = np.array([0.45, 0.5, 0.55]), np.array([0, 1, 0])


def show(name, value):
    rule = {0.2: "(lower, upper]", 0.1667: "[lower, upper)"}.get(round(float(value), 4), "neither")
    print(f"{name:24} {float(value):.4f}  {rule}")


show("netcal", ECE(10).measure(p, y))
show("torchmetrics",
     binary_calibration_error(torch.tensor(p, dtype=torch.float32), torch.tensor(y), 10, "l1"))
metric = CalibrationError(task="binary", num_bins=10)
metric.update(torch.tensor(p, dtype=torch.float32), torch.tensor(y))
show("torch-uncertainty", metric.compute())
show("relplot", relplot.metrics.binnedECE(p, y, nbins=10))
show("uncertainty-calibration", calibration.get_ece(p, y, num_bins=10))
# MAPIE takes the number of edges.
show("MAPIE", expected_calibration_error(y, p, num_bins=11, split_strategy="uniform"))
# scikit-learn has the curve and no error: weigh the gaps by the bins' rows.
true, mean = calibration_curve(y, p, n_bins=10)
rows = np.array([2, 1]) if np.isclose(mean[0], 0.475) else np.array([1, 2])
show("scikit-learn (curve)", (np.abs(true - mean) * rows).sum() / 3)
