"""Bytes that a metric holds after n rows of 10 classes, and how two states are merged."""

import torch
from torch_uncertainty.metrics import (
    AURC, AdaptiveCalibrationError, BrierScore, ClasswiseCalibrationError, SmoothCalibrationError)
from torchmetrics.classification import MulticlassAccuracy, MulticlassCalibrationError

METRICS = {
    "torchmetrics MulticlassCalibrationError": lambda: MulticlassCalibrationError(10),
    "torchmetrics MulticlassAccuracy": lambda: MulticlassAccuracy(10),
    "torch-uncertainty AdaptiveCalibrationError": lambda: AdaptiveCalibrationError(
        task="multiclass", num_classes=10),
    "torch-uncertainty ClasswiseCalibrationError": lambda: ClasswiseCalibrationError(
        num_classes=10),
    "torch-uncertainty SmoothCalibrationError": lambda: SmoothCalibrationError(),
    "torch-uncertainty BrierScore": lambda: BrierScore(num_classes=10),
    "torch-uncertainty AURC": lambda: AURC(),
}


def batches(n):
    torch.manual_seed(0)
    for _ in range(n // 1000):
        yield torch.randn(1000, 10).softmax(1), torch.randint(10, (1000,))


def size(metric):
    total = 0
    for name in metric._defaults:
        state = getattr(metric, name)
        for tensor in state if isinstance(state, list) else [state]:
            total += tensor.numel() * tensor.element_size()
    return total


print(f"{'bytes of state after':46} {'1,000':>10} {'10,000':>10} {'100,000':>10} rows")
for name, make in METRICS.items():
    sizes = []
    for n in (1000, 10_000, 100_000):
        metric = make()
        for probs, labels in batches(n):
            metric.update(probs, labels)
        sizes.append(size(metric))
    print(f"{name:46} {sizes[0]:10,} {sizes[1]:10,} {sizes[2]:10,}")

first, second, whole = (MulticlassCalibrationError(10) for _ in range(3))
rows = list(batches(20_000))
for i, (probs, labels) in enumerate(rows):
    (first if i < 10 else second).update(probs, labels)
    whole.update(probs, labels)
first.merge_state(second)
print("torchmetrics merge_state: merged", f"{float(first.compute()):.9f},", "one pass",
      f"{float(whole.compute()):.9f}")
print("torchmetrics state_dict() by default:", dict(whole.state_dict()))
