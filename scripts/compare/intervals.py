"""Intervals of a calibration error, and whether a seed decides them."""

import json
import warnings
from pathlib import Path

import calibration
import numpy as np
import torch
from mapie.metrics.calibration import kolmogorov_smirnov_p_value, spiegelhalter_p_value
from torchmetrics.classification import MulticlassCalibrationError
from torchmetrics.wrappers import BootStrapper

warnings.filterwarnings("ignore")
folder = Path(__file__).resolve().parents[2] / "fixtures" / "calibration-errors"
case = json.loads((folder / "values.json").read_text())["cases"]["binary"]
probs = np.array(case["probs"]).reshape(-1, 2)
labels = np.array(case["labels"])


def interval(alpha):
    np.random.seed(0)
    import random
    random.seed(0)
    low, middle, high = calibration.get_calibration_error_uncertainties(
        probs[:, 1], labels, p=1, alpha=alpha)
    return f"[{low:.4f}, {middle:.4f}, {high:.4f}]"


print("uncertainty-calibration, p=1, alpha=0.1 (its default):", interval(0.1))
print("uncertainty-calibration, p=1, alpha=10:               ", interval(10))

torch.manual_seed(0)
np.random.seed(0)
boot = BootStrapper(MulticlassCalibrationError(num_classes=2, n_bins=15), num_bootstraps=50,
                    quantile=torch.tensor([0.025, 0.975]))
boot.update(torch.tensor(probs, dtype=torch.float32), torch.tensor(labels))
values = boot.compute()
print("torchmetrics BootStrapper:", {k: [round(float(x), 4) for x in v.reshape(-1)]
                                     for k, v in values.items()})
print(f"MAPIE p-values: Kolmogorov-Smirnov {kolmogorov_smirnov_p_value(labels, probs[:, 1]):.4f},"
      f" Spiegelhalter {spiegelhalter_p_value(labels, probs[:, 1]):.4f}")
