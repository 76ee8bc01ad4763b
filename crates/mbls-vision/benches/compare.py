"""Times training steps of ResNet-20 at batch 128 beside PyTorch, in turn: A B A B, medians, and the memory that each takes.

    pip install torch
    python crates/mbls-vision/benches/compare.py [--rounds 3] [--threads T] [--seconds 5]

Run from the workspace's folder on an otherwise idle machine. A step is forward, MbLS, backward, clipping and SGD with momentum, in
f32; ours runs in the benchmark `step`, the other side is plain PyTorch with the same network (shortcuts of 1x1 convolutions). Each
run is a process of its own; its memory is the most that the process has had, PyTorch's own libraries and ours included.
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


def build():
    command = ["cargo", "bench", "--package", "mbls-vision", "--bench", "step", "--no-run", "--message-format", "json"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "step")


def resnet20(classes=10):
    from torch import nn
    from torch.nn import functional as F

    def norm_after(inputs, outputs, kernel, stride):
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.first, self.second = norm_after(inputs, outputs, 3, stride), norm_after(outputs, outputs, 3, 1)
            self.skip = nn.Identity() if inputs == outputs else norm_after(inputs, outputs, 1, stride)

        def forward(self, x):
            y = self.second(F.relu_(self.first(x)))
            y += self.skip(x)
            return F.relu_(y)

    blocks, inputs = [], 16
    for outputs in (16, 32, 64):
        for _ in range(3):
            blocks.append(Block(inputs, outputs, 1 if inputs == outputs else 2))
            inputs = outputs
    stem = norm_after(3, 16, 3, 1), nn.ReLU(inplace=True)
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, classes))


def run_peer(threads, seconds):
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    model = resnet20()
    images, labels = torch.randn(128, 3, 32, 32), torch.arange(128) % 10
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4)

    def step():
        optimizer.zero_grad(set_to_none=True)
        logits = model(images)
        distances = logits.max(dim=1, keepdim=True).values - logits
        loss = F.cross_entropy(logits, labels) + 0.1 * F.relu(distances - 6).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()

    step()
    times, started = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < seconds:
        begin = time.perf_counter()
        step()
        times.append(time.perf_counter() - begin)
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    memory = int(status["VmHWM"].split()[0])
    print(json.dumps({"threads": threads, "median": statistics.median(times), "least": min(times), "memory": memory}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--ours", help="a benchmark that is built already")
    parser.add_argument("--under", default="", help="a command that each process runs under, such as 'taskset -c 0'")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments.threads, arguments.seconds)
    under = shlex.split(arguments.under)
    sides = [[*under, arguments.ours or build()], [*under, sys.executable, __file__, "--peer"]]
    print("| threads | mbls, median step | PyTorch | ratio | mbls, pictures/s | PyTorch | mbls, memory | PyTorch | steps |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    for threads in [arguments.threads] if arguments.threads else [1, 2]:
        found = [[], []]
        for _ in range(arguments.rounds):
            for command, runs in zip(sides, found):
                command = [*command, "--threads", str(threads), "--seconds", str(arguments.seconds)]
                line = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                runs.append(json.loads(line))
        ours, peer = (statistics.median(run["median"] for run in runs) for runs in found)
        memory = " | ".join(f"{max(run['memory'] for run in runs) / 1024:.0f} MiB" for runs in found)
        steps = ", ".join(f"{a['median'] * 1e3:.0f} to {b['median'] * 1e3:.0f} ms" for a, b in zip(*found))
        print(f"| {threads} | {ours * 1e3:.4g} ms | {peer * 1e3:.4g} ms | {peer / ours:.2f} | {128 / ours:.0f} | {128 / peer:.0f} | {memory} | {steps} |", flush=True)


if __name__ == "__main__":
    main()
