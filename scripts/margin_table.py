#!/usr/bin/env python3
"""Prints the table of margin rules from results.json files of the suites tuning/margins-*.toml.

For each file: a row per loss with the margins of its seeds, and validation and test metrics as mean and standard deviation over seeds. The
lowest mean validation NLL of the rules is bold, and so is that of the fixed margins. Settings are chosen by it, not by test metrics.

    python3 scripts/margin_table.py out/margins/*/results.json > table.md

If numpy and safetensors are installed and the runs saved predictions (segmentation runs do not), a second table compares each
loss with MbLS at margin 10: differences on the test part, with 95 % paired bootstrap intervals. A resample draws test samples of each
seed, the same ones for both losses, and averages over the seeds.
"""

import json
import statistics
import sys
from pathlib import Path

MEASURES = [("validation", "nll", 1, 4), ("validation", "ece", 100, 2), ("test", "nll", 1, 4), ("test", "ece", 100, 2), ("test", "accuracy", 100, 2)]


def numbers(runs, part, key):
    field = "metrics" if part == "test" else part
    values = [run[field].get(key) for run in runs]
    if any(not isinstance(value, (int, float)) for value in values):
        return None
    return values


def printed(values, factor, digits):
    if values is None:
        return "\u2013"
    mean = factor * statistics.fmean(values)
    if len(values) == 1:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} \u00b1 {factor * statistics.stdev(values):.{digits}f}"


def margins(runs):
    found = [run.get("margin", {}).get("margin") for run in runs if run.get("margin")]
    texts = [f"{margin:.2f}" if margin is not None else "none" for margin in found]
    text = ", ".join(dict.fromkeys(texts)) or "\u2013"
    unused = sum(1 for run in runs if run.get("margin") and not run["margin"]["exceeded"])
    return text + (f" (never exceeded in {unused} of {len(runs)})" if unused else "")


def table(path):
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    losses = {}
    for run in results["cells"]:
        losses.setdefault((run["suite"], run["model"], run["loss"]), []).append(run)
    best = {}
    for key, runs in losses.items():
        values = numbers(runs, "validation", "nll")
        kind = key[2].split("-")[0]
        if values is not None and (kind not in best or statistics.fmean(values) < best[kind][0]):
            best[kind] = (statistics.fmean(values), key)
    chosen = {key for _, key in best.values()}
    suite, model, _ = next(iter(losses))
    runs = next(iter(losses.values()))
    lines = [f"## {suite}", "", f"{model}, {len(runs)} seeds of {runs[0]['epochs']} epochs, commit {results['commit']}, {results['device']}.", ""]
    heads = ["loss", "margin"] + [f"{part} {key.upper() if key != 'accuracy' else key}{' %' if factor == 100 else ''}" for part, key, factor, _ in MEASURES]
    lines.append("| " + " | ".join(heads) + " |")
    lines.append("|---|---|" + "---:|" * len(MEASURES))
    for key, runs in losses.items():
        cells = [printed(numbers(runs, part, name), factor, digits) for part, name, factor, digits in MEASURES]
        name = key[2]
        if key in chosen and name != "ce":
            name, cells[0] = f"**{name}**", f"**{cells[0]}**"
        lines.append(f"| {name} | {margins(runs)} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


BESIDE = "mbls-10.0"
RESAMPLES = 2000
BINS = 15


def paired(path):
    """Returns the table of differences from margin 10; empty without predictions to compare."""
    try:
        import numpy as np
        from safetensors.numpy import load_file
    except ImportError as error:
        print(f"{path}: not compared with {BESIDE}: {error}", file=sys.stderr)
        return ""
    with open(path, encoding="utf-8") as file:
        cells = json.load(file)["cells"]

    def samples(run):
        folder = path.parent / run["suite"] / run["model"] / run["loss"] / f"seed-{run['seed']}"
        if not (folder / "predictions.safetensors").is_file():
            return None
        saved = load_file(folder / "predictions.safetensors")
        logits, labels = saved["test.logits"].astype(np.float64), saved["test.labels"]
        logits -= logits.max(1, keepdims=True)
        logs = logits - np.log(np.exp(logits).sum(1, keepdims=True))
        confidence = np.exp(logs.max(1))
        # Bins are half-open, without their lower and with their upper bound.
        bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
        gap = confidence - (logs.argmax(1) == labels)
        return -logs[np.arange(len(labels)), labels], bins, gap

    def measures(sample, rows):
        nll, bins, gap = sample
        ece = np.abs(np.bincount(bins[rows], gap[rows], BINS)).sum() / len(rows)
        return np.array([nll[rows].mean(), 100 * ece])

    runs = {}
    for run in cells:
        found = samples(run)
        if found is not None:
            runs.setdefault(run["loss"], {})[run["seed"]] = found
    if BESIDE not in runs:
        return ""
    lines = [f"Compared with margin 10, {len(runs[BESIDE])} seeds, test part:", "", "| loss | NLL | ECE, points |", "|---|---:|---:|"]
    for loss, seeds in runs.items():
        if loss == BESIDE:
            continue
        generator, differences = np.random.default_rng(0), []
        for resample in range(RESAMPLES + 1):
            of_seeds = []
            for seed, sample in seeds.items():
                n = len(sample[0])
                rows = np.arange(n) if resample == 0 else generator.integers(0, n, n)
                of_seeds.append(measures(sample, rows) - measures(runs[BESIDE][seed], rows))
            differences.append(np.mean(of_seeds, axis=0))
        low, high = np.quantile(differences[1:], [0.025, 0.975], axis=0)
        cells = [f"{value:+.{digits}f} [{a:+.{digits}f}, {b:+.{digits}f}]" for value, a, b, digits in zip(differences[0], low, high, (4, 2))]
        lines.append(f"| {loss} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    paths = [Path(argument) for argument in sys.argv[1:]]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        sys.exit(f"not a file: {', '.join(missing)}: expected results.json of `cargo xtask bench`")
    print("\n".join(part for path in paths for part in (table(path), paired(path)) if part))
