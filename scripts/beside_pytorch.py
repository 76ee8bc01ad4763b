"""What the scripts `compare.py` beside the benchmarks share: building a benchmark, timing PyTorch as ours is timed, and the table of both.

Each run is a process of its own, ours and PyTorch's in turn: A B A B, medians of the rounds. Its memory is the most that the process has had, PyTorch's own
libraries and ours included; on a GPU it is still that of the host.

On a GPU PyTorch is as it is usual there: eager, images with the channels last, the fused form of SGD, and for bf16 the weights in f32 under autocast, as ours
has master weights in f32. TF32 is allowed to convolutions and products with `--precision tf32` alone.
"""
import argparse
import json
import os
import shlex
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # else OpenMP spins between regions, which costs milliseconds
os.environ.setdefault("CANDLE_NUM_THREADS", "1")  # else candle's own threads spin beside those that compute


def build(package, bench, features="", profile=None):
    """Builds a benchmark and returns its program."""
    command = ["cargo", "bench", "--package", package, "--bench", bench, "--no-run", "--message-format", "json"]
    command += ["--features", features] if features else []
    command += ["--profile", profile] if profile else []
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == bench)


def run(command):
    """Runs a program and returns the JSON that it prints; what it says on standard error is shown."""
    return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)


def parser(batch, precisions=("f32", "tf32", "bf16")):
    """The arguments of every comparison of steps."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--batch", type=int, default=batch)
    arguments.add_argument("--mode", choices=["train", "inference"], default="train")
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int)
    arguments.add_argument("--seconds", type=float, default=5.0)
    arguments.add_argument("--ours", help="a benchmark that is built already")
    arguments.add_argument("--under", default="", help="a command that each process runs under, such as 'taskset -c 0'")
    arguments.add_argument("--precision", choices=precisions, default="f32")
    arguments.add_argument("--cuda", action="store_true", help="on the first GPU")
    arguments.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    return arguments


def prepare_peer(arguments):
    """Sets PyTorch up, and returns where its tensors are: a device, and for images the order of their axes."""
    import torch

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = arguments.precision == "tf32"
    place = "cuda" if arguments.cuda else "cpu"
    return place, {"memory_format": torch.channels_last} if arguments.cuda else {}


def time_peer(arguments, model, forward, loss_of, clip=None):
    """Times PyTorch's steps, or `forward` alone, and prints what `mbls_stepkit::timing` prints of ours.

    `forward` returns the logits, `loss_of` the loss of logits in f32; gradients are clipped to the norm `clip` where there is one.
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
    """Runs the benchmark `step` of `package` and `script --peer` in turn, and prints the table of both.

    Both get the arguments `what`; `ours` and `peer` are those of one side.
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
