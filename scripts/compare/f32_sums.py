"""Sums of torchmetrics' binned calibration error are in f32.

1. f32 counts stop at 2^24 rows: 2^24 + 2^22 rows of confidence 0.75 in one bin, of which three in
   four are right, have the error 0.
2. The order of the rows: a million rows of random confidences, sorted and shuffled.
3. The type of the input: the multi-class error turns confidences into f32 first.

`_ce_compute` is the function behind the metrics; with f64 confidences it shows the exact value.
"""

import torch
from torchmetrics.functional.classification import multiclass_calibration_error
from torchmetrics.functional.classification.calibration_error import _ce_compute

for name, rows in (("2^20", 2**20), ("2^24 + 2^22", 2**24 + 2**22)):
    confidence = torch.full((rows,), 0.75)
    correct = (torch.arange(rows) % 4 != 0).float()
    f32 = float(_ce_compute(confidence, correct, 15))
    f64 = float(_ce_compute(confidence.double(), correct.double(), 15))
    print(f"{name} rows, exact error 0: f32 {f32:.6f}, f64 {f64:.6f}")

torch.manual_seed(0)
confidence = torch.rand(1_000_000) * 0.5 + 0.5
correct = (torch.rand(1_000_000) < confidence - 0.02).float()
order = torch.randperm(1_000_000)
ascending = confidence.argsort()
for name, rows in (("as drawn", slice(None)), ("shuffled", order), ("sorted", ascending)):
    print(f"10^6 rows {name:9} f32 {float(_ce_compute(confidence[rows], correct[rows], 15)):.9f}"
          f"  f64 {float(_ce_compute(confidence[rows].double(), correct[rows].double(), 15)):.9f}")

for dtype in (torch.float16, torch.float32, torch.float64):
    probs = torch.stack([1 - confidence, confidence], 1)[:100_000].to(dtype)
    error = multiclass_calibration_error(probs, correct[:100_000].long(), 2, 15, "l1")
    print(f"probabilities in {str(dtype):13} error in {error.dtype}, {float(error):.9f}")
