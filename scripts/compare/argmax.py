"""Ties for the largest probability: two rows, (0.4, 0.4, 0.2) with label 0 and with label 1."""

import calibration
import numpy as np
import relplot
import torch
from sklearn.metrics import top_k_accuracy_score
from torchmetrics.functional.classification import multiclass_accuracy

row = [0.4, 0.4, 0.2]
for label in (0, 1):
    probs, labels = np.array([row]), np.array([label])
    values = {
        "uncertainty-calibration": (calibration.get_top_predictions(probs) == labels)[0],
        "relplot": relplot.multiclass_logits_to_confidences(probs, labels, probs=True)[1][0],
        "torchmetrics": multiclass_accuracy(torch.tensor(probs), torch.tensor(labels), 3,
                                            average="micro"),
        "scikit-learn top_k_accuracy_score k=1": top_k_accuracy_score(labels, probs, k=1,
                                                                      labels=[0, 1, 2]),
    }
    print(f"label {label}")
    for name, value in values.items():
        print(f"    {name:38} {float(value):.0f}")
