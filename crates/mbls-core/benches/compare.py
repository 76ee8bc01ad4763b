"""Times mbls-core against PyTorch and torchmetrics on the same work, alternating A B A B, and prints medians and ratios.

    pip install torch torchmetrics
    python crates/mbls-core/benches/compare.py [PATTERN] [--rounds 2]

Run it in the workspace directory on an otherwise idle machine. The times of mbls-core are those of the criterion benchmarks
`losses` and `metrics`; the peer is plain PyTorch as its users write it. Columns of the printed table: item, threads, the
median of each side and their ratio. With `PATTERN`, only items whose name contains it are run.
"""
import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # otherwise OpenMP spins between regions, which costs milliseconds
LOSSES = ["mbls", "ce", "ls", "focal"]
SHAPES = [(128, 10), (128, 200), (1024, 1000), (8, 21, 512, 512)]
METRIC_SHAPES = [(50_000, 1000), (4_000_000, 21)]


def items():
    """(name, criterion benchmark, criterion filter per thread count, peer item)."""
    for shape in SHAPES:
        for loss in LOSSES:
            dims = ", ".join(map(str, shape))
            yield f"{loss} [{dims}]", "losses", f"{loss}/[{dims}]/{{threads}} threads/fused", f"loss/{loss}/{'x'.join(map(str, shape))}"
    for rows, classes in METRIC_SHAPES:
        for ours, peer in (("one pass", "ece"), ("classwise", "classwise")):
            group = f"{rows}x{classes}/{{threads}} threads/{ours}"
            yield f"{ours} [{rows}, {classes}] beside {PEERS[peer]}", "metrics", group, f"metric/{peer}/{rows}x{classes}"


PEERS = {"ece": "torchmetrics' ECE alone", "classwise": "the published classwise ECE"}


def ours(bench, name):
    pattern = "^" + re.escape(name).replace(r"\ ", " ") + "$"
    command = ["cargo", "bench", "--quiet", "--package", "mbls-core", "--bench", bench, "--", pattern]
    command += ["--warm-up-time", "1", "--measurement-time", "3"]
    # As in the programs of this workspace: candle's own pool spins and takes the cores from the
    # computing threads.
    environment = dict(os.environ, CANDLE_NUM_THREADS="1")
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    group, function = name.rsplit("/", 1)
    folder = pathlib.Path("target/criterion") / group.replace("/", "_") / function
    return json.loads((folder / "new/estimates.json").read_text())["median"]["point_estimate"] / 1e9


def peer(item, threads):
    command = [sys.executable, __file__, "--peer", item, "--threads", str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def loss_step(name, shape):
    import torch
    import torch.nn.functional as F

    logits = (torch.randn(shape) * 3).requires_grad_(True)
    target = torch.randint(0, shape[1], shape[:1] + shape[2:])
    ignore = -100
    if len(shape) > 2:
        ignore = 255
        target[torch.rand(target.shape) < 0.05] = ignore

    def rows(logits, target):
        if logits.dim() > 2:
            logits = logits.flatten(2).transpose(1, 2).reshape(-1, logits.size(1))
            target = target.reshape(-1)
            keep = target != ignore
            logits, target = logits[keep], target[keep]
        return logits, target

    def mbls(logits, target):
        logits, target = rows(logits, target)
        distance = logits.max(dim=1, keepdim=True).values - logits
        return F.cross_entropy(logits, target) + 0.1 * F.relu(distance - 10).mean()

    def ce(logits, target):
        return F.cross_entropy(logits, target, ignore_index=ignore)

    def ls(logits, target):
        return F.cross_entropy(logits, target, label_smoothing=0.05, ignore_index=ignore)

    def focal(logits, target):
        logits, target = rows(logits, target)
        logp = F.log_softmax(logits, dim=1).gather(1, target[:, None])[:, 0]
        return (-((1 - logp.exp()) ** 3) * logp).mean()

    function = {"mbls": mbls, "ce": ce, "ls": ls, "focal": focal}[name]

    def step():
        logits.grad = None
        function(logits, target).backward()

    return step


def metric_step(name, rows, classes):
    import torch

    logits = torch.rand(rows, classes) * 4 - 2
    target = torch.randint(0, classes, (rows,))
    hit = torch.where(torch.rand(rows) < 0.8, target, torch.randint(0, classes, (rows,)))
    logits[torch.arange(rows), hit] += torch.rand(rows) * 12
    if name == "ece":
        from torchmetrics.functional.classification import multiclass_calibration_error

        return lambda: multiclass_calibration_error(logits, target, num_classes=classes, n_bins=15).item()

    def classwise():
        # As in the code of Mukhoti et al. 2020, which the published MbLS uses for evaluation: a
        # loop over classes and bins.
        edges = torch.linspace(0, 1, 16)
        softmaxes = torch.softmax(logits, 1)
        errors = []
        for k in range(int(target.max()) + 1):
            confidences, labels_in_class = softmaxes[:, k], target.eq(k)
            error = torch.zeros(1)
            for lower, upper in zip(edges[:-1], edges[1:]):
                in_bin = confidences.gt(lower.item()) * confidences.le(upper.item())
                share = in_bin.float().mean()
                if share.item() > 0:
                    error += torch.abs(confidences[in_bin].mean() - labels_in_class[in_bin].float().mean()) * share
            errors.append(error)
        return torch.mean(torch.cat(errors)).item()

    return classwise


def run_peer(item, threads):
    import resource
    import torch

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    kind, name, shape = item.split("/")
    shape = tuple(int(size) for size in shape.split("x"))
    step = loss_step(name, shape) if kind == "loss" else metric_step(name, *shape)
    slow = name == "classwise"
    if not slow:
        step()
    times, started = [], time.perf_counter()
    while len(times) < (1 if slow else 5) or (time.perf_counter() - started < 3 and not slow):
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"median": statistics.median(times), "peak_mib": peak, "torch": torch.__version__}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--peer")
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments.peer, arguments.threads)
    print("| work | threads | mbls-core | PyTorch | ratio |\n|---|---:|---:|---:|---:|")
    for name, bench, group, item in items():
        if arguments.pattern not in name:
            continue
        for threads in [arguments.threads] if arguments.threads else [1, 2]:
            a, b = [], []
            for _ in range(arguments.rounds):
                a.append(ours(bench, group.format(threads=threads)))
                b.append(peer(item, threads)["median"])
            a, b = statistics.median(a), statistics.median(b)
            print(f"| {name} | {threads} | {a * 1e3:.4g} ms | {b * 1e3:.4g} ms | {b / a:.1f} |", flush=True)


if __name__ == "__main__":
    main()
