"""Time of a top-label calibration error of 20,000 rows of 10 classes, over that of torchmetrics.

Ratios of medians of five runs in one process, one thread; other machines have other ratios. No
mbls here: docs/performance.md measures it beside torchmetrics.
"""

import statistics
import time

import calibration
import numpy as np
import relplot
import torch
from mapie.metrics.calibration import top_label_ece
from netcal.metrics import ECE
from torch_uncertainty.metrics import AdaptiveCalibrationError, ClasswiseCalibrationError
from torchmetrics.functional.classification import multiclass_calibration_error

torch.set_num_threads(1)
rng = np.random.default_rng(0)
logits = rng.normal(size=(20_000, 10)) * 2
probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
labels = rng.integers(0, 10, 20_000)
tensor, targets = torch.tensor(probs, dtype=torch.float32), torch.tensor(labels)


def module(metric):
    metric.update(tensor, targets)
    return metric.compute()


def smooth():
    return relplot.smECE(*relplot.multiclass_logits_to_confidences(probs, labels, probs=True))


WORK = {
    "torchmetrics ECE": lambda: multiclass_calibration_error(tensor, targets, 10, 15, "l1"),
    "netcal ECE": lambda: ECE(15).measure(probs, labels),
    "uncertainty-calibration ECE": lambda: calibration.get_ece(probs, labels),
    "uncertainty-calibration debiased L2": lambda: calibration.lower_bound_scaling_ce(
        probs, labels, binning_scheme=calibration.get_equal_prob_bins, mode="top-label"),
    "MAPIE top_label_ece": lambda: top_label_ece(labels, probs, num_bins=15),
    "relplot smECE": smooth,
    "torch-uncertainty adaptive ECE": lambda: module(
        AdaptiveCalibrationError(task="multiclass", num_classes=10, num_bins=15)),
    "torch-uncertainty classwise ECE": lambda: module(
        ClasswiseCalibrationError(num_classes=10, num_bins=15)),
}


def median(work):
    work()
    times = []
    for _ in range(5):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


times = {name: median(work) for name, work in WORK.items()}
for name, time_of in times.items():
    print(f"{name:38} {time_of / times['torchmetrics ECE']:8.1f}")
