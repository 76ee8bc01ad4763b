"""What a fitted calibrator is saved as."""

import io
import pickle
import tempfile
from pathlib import Path

import calibration
import numpy as np
import torch
from netcal.scaling import TemperatureScaling
from probmetrics.calibrators import get_calibrator
from sklearn.isotonic import IsotonicRegression
from torch.utils.data import DataLoader, TensorDataset
from torch_uncertainty.post_processing import TemperatureScaler

p, y = np.array([0.2, 0.4, 0.6, 0.8, 0.9]), np.array([0, 1, 0, 1, 1])


def kind(data):
    if data[:2] == b"PK":
        return "zip archive with a pickle (torch.save)"
    return "pickle" if data[:1] == b"\x80" else repr(data[:20])


with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "netcal"
    fitted = TemperatureScaling()
    fitted.fit(p, y)
    fitted.save_model(str(path))
    print("netcal save_model:", kind(path.read_bytes()))

scaler = TemperatureScaler()
logits = torch.tensor(np.stack([np.zeros(5), np.log(p / (1 - p))], 1), dtype=torch.float32)
scaler.fit(DataLoader(TensorDataset(logits, torch.tensor(y)), batch_size=5), progress=False)
print("torch-uncertainty state_dict of a fitted TemperatureScaler:",
      {k: v.numpy().round(4).tolist() for k, v in scaler.state_dict().items()})
buffer = io.BytesIO()
torch.save(scaler.state_dict(), buffer)
print("    torch.save of it:", kind(buffer.getvalue()))

print("scikit-learn:", kind(pickle.dumps(IsotonicRegression().fit(p, y))))
model = get_calibrator("temp-scaling").fit(np.stack([1 - p, p], 1), y)
print("probmetrics:", kind(pickle.dumps(model)))
binner = calibration.HistogramCalibrator(5, num_bins=2)
binner.train_calibration(p, y)
try:
    print("uncertainty-calibration HistogramCalibrator:", kind(pickle.dumps(binner)))
except Exception as failure:
    print(f"uncertainty-calibration HistogramCalibrator: {type(failure).__name__}:\n    {failure}")
