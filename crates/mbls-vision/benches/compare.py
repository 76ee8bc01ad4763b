"""Times a network beside PyTorch, in turn: A B A B, medians, and the memory that each takes; by default training steps of ResNet-20 at batch 128.

    pip install torch
    python crates/mbls-vision/benches/compare.py [--model resnet20] [--batch 128] [--mode train] [--rounds 3] [--threads T] [--seconds 5]
    python crates/mbls-vision/benches/compare.py --model resnet50-cifar --batch 512 --threads 1 --cuda --precision tf32  # or f32, bf16

Run from the workspace's folder on an otherwise idle machine. A step is forward, MbLS, backward, clipping and SGD with momentum, in
f32; inference is forward alone, of PyTorch in eval() under inference_mode. Ours runs in the benchmark `step`, the other side is plain
PyTorch with the same network (shortcuts of 1x1 convolutions), which has to have as many parameters. Each run is a process of its own; its memory is the
most that the process has had, PyTorch's own libraries and ours included.

On a GPU PyTorch is as it is usual there: eager, pictures with the channels last, the fused form of SGD, and for bf16 the weights in f32 under autocast,
as ours has master weights in f32; TF32 is allowed to convolutions and products. The memory is still that of the host.
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


def build(cuda):
    command = ["cargo", "bench", "--package", "mbls-vision", "--bench", "step", "--no-run", "--message-format", "json"]
    command += ["--features", "cuda,mbls-core/cuda"] if cuda else []
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "step")


# Convolutions of a block, blocks of the stages, channels after the stem, side of the last map, classes, side of a picture.
MODELS = {
    "resnet20": (2, [3, 3, 3], 16, 1, 10, 32),
    "resnet32": (2, [5, 5, 5], 16, 1, 10, 32),
    "resnet44": (2, [7, 7, 7], 16, 1, 10, 32),
    "resnet56": (2, [9, 9, 9], 16, 1, 10, 32),
    "resnet18-cifar": (2, [2, 2, 2, 2], 64, 1, 10, 32),
    "resnet34-cifar": (2, [3, 4, 6, 3], 64, 1, 10, 32),
    "resnet50-cifar": (3, [3, 4, 6, 3], 64, 1, 10, 32),
    "resnet101-cifar": (3, [3, 4, 23, 3], 64, 1, 10, 32),
    "resnet18-tiny": (2, [2, 2, 2, 2], 64, 2, 200, 64),
    "resnet34-tiny": (2, [3, 4, 6, 3], 64, 2, 200, 64),
    "resnet50-tiny": (3, [3, 4, 6, 3], 64, 2, 200, 64),
    "resnet101-tiny": (3, [3, 4, 23, 3], 64, 2, 200, 64),
}


def residual_network(convolutions, stages, stem, side, classes):
    from torch import nn
    from torch.nn import functional as F

    def norm_after(inputs, outputs, kernel, stride):
        return nn.Sequential(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(outputs))

    class Block(nn.Module):
        def __init__(self, inputs, width, stride):
            super().__init__()
            outputs = width if convolutions == 2 else 4 * width
            if convolutions == 2:
                self.parts = nn.ModuleList([norm_after(inputs, width, 3, stride), norm_after(width, width, 3, 1)])
            else:
                self.parts = nn.ModuleList([norm_after(inputs, width, 1, 1), norm_after(width, width, 3, stride), norm_after(width, outputs, 1, 1)])
            self.skip = nn.Identity() if inputs == outputs and stride == 1 else norm_after(inputs, outputs, 1, stride)

        def forward(self, x):
            y = x
            for part in self.parts[:-1]:
                y = F.relu_(part(y))
            y = self.parts[-1](y)
            y += self.skip(x)
            return F.relu_(y)

    blocks, inputs = [], stem
    for stage, count in enumerate(stages):
        width = stem << stage
        for i in range(count):
            blocks.append(Block(inputs, width, 2 if stage > 0 and i == 0 else 1))
            inputs = width if convolutions == 2 else 4 * width
    begin = norm_after(3, stem, 3, 1), nn.ReLU(inplace=True)
    return nn.Sequential(*begin, *blocks, nn.AdaptiveAvgPool2d(side), nn.Flatten(), nn.Linear(inputs * side * side, classes))


def run_peer(arguments):
    import torch
    from torch.nn import functional as F

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    cuda, place = arguments.cuda, "cuda" if arguments.cuda else "cpu"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = arguments.precision == "tf32"
    last = {"memory_format": torch.channels_last} if cuda else {}
    synchronize = torch.cuda.synchronize if cuda else lambda: None
    half = lambda: torch.autocast(place, dtype=torch.bfloat16, enabled=arguments.precision == "bf16")
    *network, classes, size = MODELS[arguments.model]
    model = residual_network(*network, classes).to(place, **last)
    images = torch.randn(arguments.batch, 3, size, size).to(place, **last)
    labels = (torch.arange(arguments.batch) % classes).to(place)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, **({"fused": True} if cuda else {}))

    def train():
        optimizer.zero_grad(set_to_none=True)
        with half():
            logits = model(images)
        logits = logits.float()
        distances = logits.max(dim=1, keepdim=True).values - logits
        loss = F.cross_entropy(logits, labels) + 0.1 * F.relu(distances - 6).mean()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 2.0)
        optimizer.step()

    @torch.inference_mode()
    def infer():
        with half():
            model(images)

    step = train if arguments.mode == "train" else infer
    model.train(arguments.mode == "train")
    step()
    synchronize()
    times, started = [], time.perf_counter()
    while len(times) < 3 or time.perf_counter() - started < arguments.seconds:
        begin = time.perf_counter()
        step()
        synchronize()
        times.append(time.perf_counter() - begin)
    status = dict(line.split(":", 1) for line in open("/proc/self/status"))
    memory = int(status["VmHWM"].split()[0])
    parameters = sum(p.numel() for p in model.parameters())
    print(json.dumps({"threads": arguments.threads, "parameters": parameters, "median": statistics.median(times), "least": min(times), "memory": memory}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", choices=MODELS, default="resnet20")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--mode", choices=["train", "inference"], default="train")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--ours", help="a benchmark that is built already")
    parser.add_argument("--under", default="", help="a command that each process runs under, such as 'taskset -c 0'")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32")
    parser.add_argument("--cuda", action="store_true", help="on the first GPU")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments)
    under = shlex.split(arguments.under)
    sides = [[*under, arguments.ours or build(arguments.cuda)], [*under, sys.executable, __file__, "--peer"]]
    what, batch = ["--model", arguments.model, "--batch", str(arguments.batch), "--mode", arguments.mode], arguments.batch
    what += ["--precision", arguments.precision] + (["--cuda"] if arguments.cuda else [])
    print(f"{arguments.model}, batch {batch}, {arguments.mode}, {arguments.precision}{', GPU' if arguments.cuda else ''}\n")
    print("| threads | mbls, median step | PyTorch | ratio | mbls, pictures/s | PyTorch | mbls, memory | PyTorch | steps |")
    print("|---:|---:|---:|---:|---:|---:|---:|---:|---|")
    for threads in [arguments.threads] if arguments.threads else [1, 2]:
        found = [[], []]
        for _ in range(arguments.rounds):
            for command, runs in zip(sides, found):
                command = [*command, *what, "--threads", str(threads), "--seconds", str(arguments.seconds)]
                line = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                runs.append(json.loads(line))
        counts = {run["parameters"] for runs in found for run in runs}
        if len(counts) > 1:
            sys.exit(f"the two sides have different numbers of parameters: {sorted(counts)}")
        ours, peer = (statistics.median(run["median"] for run in runs) for runs in found)
        memory = " | ".join(f"{max(run['memory'] for run in runs) / 1024:.0f} MiB" for runs in found)
        steps = ", ".join(f"{a['median'] * 1e3:.0f} to {b['median'] * 1e3:.0f} ms" for a, b in zip(*found))
        print(f"| {threads} | {ours * 1e3:.4g} ms | {peer * 1e3:.4g} ms | {peer / ours:.2f} | {batch / ours:.0f} | {batch / peer:.0f} | {memory} | {steps} |", flush=True)


if __name__ == "__main__":
    main()
