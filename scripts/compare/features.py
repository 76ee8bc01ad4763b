"""Public names that the feature table of COMPARE.md refers to."""

import importlib
import textwrap

MODULES = [
    "netcal.metrics", "netcal.binning", "netcal.scaling", "netcal.regularization",
    "netcal.regression", "torch_uncertainty.metrics", "torch_uncertainty.losses",
    "torch_uncertainty.post_processing", "torch_uncertainty.ood_criteria",
    "torchmetrics.wrappers", "mapie.calibration", "mapie.classification", "mapie.risk_control",
    "mapie.metrics.calibration", "relplot", "calibration",
]

for name in MODULES:
    module = importlib.import_module(name)
    public = getattr(module, "__all__", None) or [n for n in dir(module) if not n.startswith("_")]
    own = sorted(n for n in public if callable(getattr(module, n, None)) and
                 getattr(getattr(module, n), "__module__", "").split(".")[0] == name.split(".")[0])
    print(f"{name}:")
    print(textwrap.fill(", ".join(own), 96, initial_indent="    ", subsequent_indent="    "))

import sklearn.metrics
import torchmetrics.classification
from probmetrics.metrics import Metrics

names = sorted(Metrics.get_available_names("class"))
short = [n for n in names if not n.startswith(("refinement", "calib-err", "topclass", "proper"))
         and "_WS_" not in n and "proper" not in n]
print(f"probmetrics, {len(names)} classification metrics, those of one part:")
print(textwrap.fill(", ".join(short), 96, initial_indent="    ", subsequent_indent="    "))
for module in (sklearn.metrics, torchmetrics.classification):
    found = [n for n in dir(module) if "calibration" in n.lower()]
    print(f"{module.__name__}, names with 'calibration': \n    {', '.join(found) or 'none'}")
