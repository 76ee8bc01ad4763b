"""Temperature scaling: the fitted temperature on rows with a known answer.

mbls asserts its temperatures for these rows in tests: 4 / ln 3 in the doctest of
`TemperatureScaling` (crates/mbls-core/src/calibration/temperature/mod.rs); 1e4 / ln 3 in
`fit_of_huge_logits`, 1e-4 with `bound` lower and 1e4 with `bound` upper in
`a_fit_that_stops_at_a_bound_says_so` (crates/mbls-core/tests/suite/calibration/temperature.rs).
"""

import logging
import math
import warnings

import numpy as np
import torch
from netcal.scaling import TemperatureScaling
from probmetrics.calibrators import get_calibrator
from probmetrics.distributions import CategoricalLogits
from sklearn.calibration import _TemperatureScaling
from torch.utils.data import DataLoader, TensorDataset
from torch_uncertainty.post_processing import TemperatureScaler

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

CASES = {
    "right in 3 of 4 rows, gap 4": ([[4.0, 0.0]] * 4, [0, 0, 0, 1], 4 / math.log(3)),
    "right in 3 of 4 rows, gap 1e4": ([[1e4, 0.0]] * 4, [0, 0, 0, 1], 1e4 / math.log(3)),
    "all right, gap 1": ([[1.0, 0.0], [0.0, 1.0]], [0, 1], 0.0),
    "all wrong, gap 1": ([[1.0, 0.0], [0.0, 1.0]], [1, 0], math.inf),
}


def scikit_learn(logits, labels):
    # The class behind CalibratedClassifierCV(method="temperature"). Of one number x per row it
    # makes the logits (-x, x).
    x = np.array(logits)
    fitted = _TemperatureScaling().fit((x[:, 1] - x[:, 0]) / 2, np.array(labels))
    return 1 / float(fitted.beta_)


def netcal(logits, labels):
    probs = torch.softmax(torch.tensor(logits, dtype=torch.float64), 1).numpy()
    fitted = TemperatureScaling()
    fitted.fit(probs[:, 1], np.array(labels))
    return 1 / float(fitted.temperature[0])


def torch_uncertainty(logits, labels):
    fitted = TemperatureScaler()
    data = TensorDataset(torch.tensor(logits), torch.tensor(labels))
    fitted.fit(DataLoader(data, batch_size=4), progress=False)
    return float(fitted.temperature[0])


def probmetrics(logits, labels):
    fitted = get_calibrator("temp-scaling")
    fitted.fit_torch(CategoricalLogits(torch.tensor(logits, dtype=torch.float64)),
                     torch.tensor(labels))
    inner = fitted
    while not hasattr(inner, "invtemp_"):
        inner = next(getattr(inner, n) for n in ("cal_", "calibrator_", "calibrator") if
                     hasattr(inner, n))
    return 1 / float(inner.invtemp_)


for name, (logits, labels, exact) in CASES.items():
    print(f"{name}: optimum {exact:.7g}")
    for fit in (scikit_learn, netcal, torch_uncertainty, probmetrics):
        try:
            value = f"{fit(logits, labels):.7g}"
        except Exception as failure:
            value = f"{type(failure).__name__}: {str(failure)[:60]}"
        print(f"    {fit.__name__:18} {value}")
