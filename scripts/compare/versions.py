"""Versions and licences, from the metadata of the installed packages."""

import platform
import re
from importlib.metadata import metadata

PEERS = ["netcal", "torchmetrics", "torch-uncertainty", "probmetrics", "relplot", "scikit-learn",
         "mapie", "uncertainty-calibration"]

print("python", platform.python_version())
for name in PEERS + ["numpy", "scipy", "torch"]:
    fields = metadata(name)
    licence = fields.get("License-Expression") or (fields.get("License") or "").splitlines()[:1]
    classifiers = [c.split(" :: ")[-1] for c in fields.get_all("Classifier") or []
                   if c.startswith("License")]
    licence = licence if isinstance(licence, str) else "".join(licence)
    if not licence:
        licence = ", ".join(classifiers) or "not in the metadata"
    required = [r.split(";")[0] for r in fields.get_all("Requires-Dist") or [] if "extra" not in r]
    names = ", ".join(sorted({re.match(r"[\w.-]+", r).group() for r in required}))
    print(f"{fields['Name']} {fields['Version']}: {licence}"[:100])
    if name in PEERS:
        print(f"    requires {names}")
