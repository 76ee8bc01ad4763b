"""Area under the risk-coverage curve, on the rows of fixtures/ranking/ranking.json.

TU is torch-uncertainty, UC uncertainty-calibration. The fixture's `aurc` is the mean over i of the
error of the i most confident rows, which the test
`risk_coverage` in crates/mbls-core/tests/suite/ranking.rs compares with mbls.
"""

import json
from pathlib import Path

import calibration
import numpy as np
import torch
from torch_uncertainty.metrics import AUGRC, AURC

folder = Path(__file__).resolve().parents[2] / "fixtures" / "ranking"
print(f"{'':14} {'mean of risks':>13} {'TU AURC':>13} {'TU AUGRC':>13} {'UC 1 - area':>13}")
for name, case in json.loads((folder / "ranking.json").read_text())["selective"].items():
    p = np.array(case["probs"], dtype=np.float32)
    probs, labels = np.stack([1 - p, p], 1), np.array(case["labels"])
    values = []
    for metric in (AURC(), AUGRC()):
        metric.update(torch.tensor(probs), torch.tensor(labels))
        values.append(float(metric.compute()))
    correct = probs.argmax(1) == labels
    area, _ = calibration.get_selective_stats(probs.max(1), correct)
    print(f"{name:14} {case['aurc']:13.6f} {values[0]:13.6f} {values[1]:13.6f} {1 - area:13.6f}")
