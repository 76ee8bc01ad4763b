"""Runs every script of this folder in a process of its own and writes output.txt.

    python run.py            # all of them
    python run.py edges ties # some of them, to the terminal
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
TOPICS = [
    "versions", "features", "edges", "ends", "empty_bins", "ties", "classwise", "brier", "nll",
    "norms", "temperature", "argmax", "f32_sums", "smooth", "intervals", "selective", "saved",
    "state", "speed",
]


def run(topic):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore",
                   "PYTHONHASHSEED": "0"}
    done = subprocess.run([sys.executable, HERE / f"{topic}.py"], capture_output=True, text=True,
                          env=environment, cwd=HERE)
    if done.returncode != 0:
        sys.exit(f"{topic}.py failed:\n{done.stdout}{done.stderr}")
    return f"== {topic}\n\n{done.stdout}\n"


if __name__ == "__main__":
    if sys.argv[1:]:
        print("".join(map(run, sys.argv[1:])), end="")
    else:
        (HERE / "output.txt").write_text("".join(map(run, TOPICS)).rstrip() + "\n")
