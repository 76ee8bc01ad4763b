"""Shared code of the `compare.py` scripts of the benchmarks: builds a benchmark, times PyTorch in the same way, and prints a table of both.

Each measurement is a separate process, alternating between ours and PyTorch's (A B A B); the table has the medians of the rounds. Memory is the peak of the process,
including the libraries; on a GPU it is still the host's.

On a GPU PyTorch is used as is usual: eager mode, channels-last images, fused SGD, and for bf16 f32 weights under autocast, as ours
has f32 master weights. TF32 is allowed for convolutions and matrix products only with `--precision tf32`.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # otherwise OpenMP spins between regions, which costs milliseconds
os.environ.setdefault("CANDLE_NUM_THREADS", "1")  # otherwise candle's threads spin next to those that compute


def build(package, bench, features="", profile=None):
    """Builds a benchmark and returns the path of its executable."""
    command = ["cargo", "bench", "--package", package, "--bench", bench, "--no-run", "--message-format", "json"]
    command += ["--features", features] if features else []
    command += ["--profile", profile] if profile else []
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == bench)


def run(command):
    """Runs a program and returns the JSON that it prints; its standard error is shown."""
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def parser(batch, precisions=("f32", "tf32", "bf16")):
    """Returns the parser of the arguments shared by all comparisons."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--batch", type=int, default=batch)
    arguments.add_argument("--mode", choices=["train", "inference"], default="train")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--ours", help="an already built benchmark")
    arguments.add_argument("--under", default="", help="a command that wraps each process, such as 'taskset -c 0'")
    arguments.add_argument("--precision", choices=precisions, default="f32")
    arguments.add_argument("--cuda", action="store_true", help="on the first GPU")
    arguments.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    return arguments


def prepare_peer(arguments):
    """Configures PyTorch and returns the device of its tensors and the memory format of images."""
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = arguments.precision == "tf32"
    place = "cuda" if arguments.cuda else "cpu"
    return place, {"memory_format": torch.channels_last} if arguments.cuda else {}


def time_peer(arguments, model, forward, loss_of, clip=None):
    """Times PyTorch's steps, or only `forward`, and prints the same fields as `mbls_stepkit::timing`.

    `forward` returns the logits, `loss_of` the loss of logits in f32; gradients are clipped to the norm `clip` if it is given.
    """
    import torch

    cuda, train = arguments.cuda, arguments.mode == "train"
    synchronize = torch.cuda.synchronize if cuda else lambda: None
    half = lambda: torch.autocast("cuda" if cuda else "cpu", dtype=torch.bfloat16, enabled=arguments.precision == "bf16")
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(parameters, lr=0.01, momentum=0.9, weight_decay=5e-4, **({"fused": True} if cuda else {}))

    def train_step():
        optimizer.zero_grad(set_to_none=True)
        with half():
            logits = forward()
        loss_of(logits.float()).backward()
        if clip:
            torch.nn.utils.clip_grad_norm_(parameters, clip)
        optimizer.step()

    @torch.inference_mode()
    def infer():
        with half():
            forward()

    step = train_step if train else infer
    model.train(train)
    step()
    synchronize()
    times, started = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < arguments.seconds:
        begin = time.perf_counter()
        step()
        synchronize()
        times.append(time.perf_counter() - begin)
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    counts = {"threads": arguments.threads, "parameters": sum(p.numel() for p in parameters)}
    print(json.dumps(counts | {"median": statistics.median(times), "least": min(times), "memory": int(status["VmHWM"].split()[0])}))


def compare(arguments, package, script, title, what, ours=(), peer=(), unit="images", name="PyTorch"):
    """Runs the benchmark `step` of `package` and `script --peer` alternately, and prints a table of both.

    Both receive the arguments `what`; `ours` and `peer` are additional arguments of one side.
    """
    under = shlex.split(arguments.under)
    program = arguments.ours or build(package, "step", "cuda,mbls-stepkit/cuda" if arguments.cuda else "")
    sides = [[*under, program, *ours], [*under, sys.executable, script, "--peer", *peer]]
    what = [*what, "--batch", str(arguments.batch), "--mode", arguments.mode, "--precision", arguments.precision]
    what += ["--cuda"] if arguments.cuda else []
    rate = lambda seconds: f"{arguments.batch / seconds:.{0 if arguments.batch / seconds >= 100 else 2}f}"
    print(f"{title}, {arguments.mode}, {arguments.precision}{', GPU' if arguments.cuda else ''}\n")
    print(f"| threads | mbls, median | {name} | ratio | mbls, {unit}/s | {name} | mbls, memory | {name} | rounds |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    for threads in [arguments.threads] if arguments.threads else [1, 2]:
        found = [[], []]
        for _ in range(arguments.rounds):
            for command, runs in zip(sides, found):
                runs.append(run([*command, *what, "--threads", str(threads), "--seconds", str(arguments.seconds)]))
        counts = {result["parameters"] for runs in found for result in runs}
        if len(counts) > 1:
            sys.exit(f"the two sides have different numbers of parameters: {sorted(counts)}")
        ours_s, peer_s = (statistics.median(result["median"] for result in runs) for runs in found)
        memory = " | ".join(f"{max(result['memory'] for result in runs) / 1024:.0f} MiB" for runs in found)
        rounds = ", ".join(f"{a['median'] * 1e3:.0f} to {b['median'] * 1e3:.0f} ms" for a, b in zip(*found))
        times = f"{ours_s * 1e3:.4g} ms | {peer_s * 1e3:.4g} ms | {peer_s / ours_s:.2f}"
        print(f"| {threads} | {times} | {rate(ours_s)} | {rate(peer_s)} | {memory} | {rounds} |", flush=True)
