#!/usr/bin/env python3
"""Makes the table of rules that choose margins from results.json files of the suites tuning/margins-*.toml.

For each file: a row per loss with the margins of its seeds, and validation and test numbers as mean and standard deviation over seeds. The
lowest mean validation NLL of the rules is bold, as is that of the fixed margins; settings are chosen by it, and test numbers are not looked at for that.

    python3 scripts/margin_table.py out/margins/*/results.json > table.md
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


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    paths = [Path(argument) for argument in sys.argv[1:]]
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        sys.exit(f"not a file: {', '.join(missing)}: expected results.json of `cargo xtask bench`")
    print("\n".join(table(path) for path in paths))
