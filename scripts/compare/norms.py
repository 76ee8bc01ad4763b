"""L1 and L2 norms and debiasing, on the rows of fixtures/calibration-errors/values.json.

The tests `torchmetrics`, `netcal` and `uncertainty_calibration` in
crates/mbls-core/tests/suite/calibration_errors/published.rs compare mbls with the recorded values.
"""

import json
from pathlib import Path

import calibration
import numpy as np
import torch
from torchmetrics.functional.classification import multiclass_calibration_error

folder = Path(__file__).resolve().parents[2] / "fixtures" / "calibration-errors"
case = json.loads((folder / "values.json").read_text())["cases"]["overconfident"]
probs = np.array(case["probs"]).reshape(-1, case["classes"]).astype(np.float32)
labels = np.array(case["labels"])
recorded = case["values"]["bins"]["15"]

for norm in ("l1", "l2", "max"):
    value = multiclass_calibration_error(torch.tensor(probs), torch.tensor(labels),
                                         case["classes"], 15, norm)
    print(f"torchmetrics {norm:4} {float(value):.9f}"
          f"  recorded {recorded['torchmetrics'][norm]:.9f}")
for name, p, debias in (("l1", 1, False), ("l2", 2, False), ("debiased_l2", 2, True)):
    value = calibration.lower_bound_scaling_ce(
        probs.astype(float), labels, p=p, debias=debias, num_bins=15,
        binning_scheme=calibration.get_equal_prob_bins, mode="top-label")
    print(f"uncertainty-calibration {name:11} {value:.9f}"
          f"  recorded {recorded['uncertainty_calibration'][name]:.9f}")
default = calibration.get_calibration_error(probs.astype(float), labels)
print(f"uncertainty-calibration get_calibration_error(probs, labels) {default:.9f}")
try:
    from torchmetrics.classification import MulticlassCalibrationError
    MulticlassCalibrationError(num_classes=5, debias=True)
except Exception as failure:
    print(f"torchmetrics with debias=True: {type(failure).__name__}: {failure}")
