"""Times convolutions beside PyTorch on the same work, in turn: A B A B, medians, ratios weighted as networks use them.

    pip install torch
    python crates/mbls-nn/benches/compare.py [NETWORK ...] [--rounds 2] [--threads T] [--seconds 1] [--each]
    python crates/mbls-nn/benches/compare.py resnet50-128 resnet50-512 --threads 1 --each --cuda --precision tf32  # or f32, bf16

Run from the workspace's folder on an otherwise idle machine. An item is one distinct convolution of a network, forward and
backward, in f32; ours runs in the benchmark `layers`, the other side is plain PyTorch. The row of a network sums its items,
each as often as it occurs; with `--each` every item has a row too. The first layer of a network needs no gradient of its
input on either side.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # else OpenMP spins between regions, which costs milliseconds


def conv2d(images, inputs, size, outputs, kernel, stride=1, padding=None, dilation=1, first=False):
    padding = dilation * (kernel // 2) if padding is None else padding
    name = f"conv2d/{images}x{inputs}x{size}x{size}/{outputs},{kernel},{stride},{padding},{dilation},1"
    return name + ("/first" if first else "")


def resnet18(images, size):
    yield conv2d(images, 3, size, 64, 3, first=True)
    inputs = 64
    for stage, outputs in enumerate((64, 128, 256, 512)):
        for block in range(2):
            stride = 2 if stage and not block else 1
            yield conv2d(images, inputs, size, outputs, 3, stride)
            if stride > 1:
                yield conv2d(images, inputs, size, outputs, 1, stride)
            size //= stride
            yield conv2d(images, outputs, size, outputs, 3)
            inputs = outputs


def resnet50(images, size, dilated=()):
    """The bottlenecks; stages in `dilated` keep their size, and dilate instead."""
    inputs, dilation = 64, 1
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width, stride, before = 64 << stage, 2 if stage else 1, dilation
        if stage in dilated:
            dilation, stride = 2 * dilation, 1
        for block in range(blocks):
            move = 1 if block else stride
            yield conv2d(images, inputs, size, width, 1)
            yield conv2d(images, width, size, width, 3, move, dilation=dilation if block else before)
            if not block:
                yield conv2d(images, inputs, size, 4 * width, 1, move)
            size //= move
            yield conv2d(images, width, size, 4 * width, 1)
            inputs = 4 * width


def deeplabv3(images, size):
    yield conv2d(images, 3, size, 64, 7, 2, first=True)
    yield from resnet50(images, size // 4, dilated=(2, 3))
    size //= 8
    yield conv2d(images, 2048, size, 256, 1)
    for dilation in (12, 24, 36):
        yield conv2d(images, 2048, size, 256, 3, dilation=dilation)
    yield conv2d(images, 2048, 1, 256, 1)
    yield conv2d(images, 1280, size, 256, 1)
    yield conv2d(images, 256, size, 256, 3)
    yield conv2d(images, 256, size, 21, 1)


NETWORKS = {
    "resnet18": lambda: list(resnet18(32, 32)),
    "resnet50": lambda: [conv2d(32, 3, 32, 64, 3, first=True), *resnet50(32, 32)],
    "resnet50-128": lambda: [conv2d(128, 3, 32, 64, 3, first=True), *resnet50(128, 32)],
    "resnet50-512": lambda: [conv2d(512, 3, 32, 64, 3, first=True), *resnet50(512, 32)],
    "textcnn": lambda: [f"conv1d/128x{c}x{size}/128,5,1,0,1,1" + rest for c, size, rest in ((100, 1000, "/first"), (128, 992, ""), (128, 984, ""))],
    "deeplabv3": lambda: list(deeplabv3(2, 256)),
}


def build(cuda):
    command = ["cargo", "bench", "--package", "mbls-nn", "--bench", "layers", "--no-run", "--message-format", "json"]
    command += ["--features", "cuda"] if cuda else []
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "layers")


def medians(command, items, threads, seconds):
    command = [*command, "--threads", str(threads), "--seconds", str(seconds), *items]
    environment = dict(os.environ, CANDLE_NUM_THREADS=str(threads))
    lines = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout.splitlines()
    return {row["item"]: row["median"] for row in map(json.loads, lines)}


def run_peer(items, threads, seconds, precision, cuda):
    import torch
    from torch import nn

    # On a GPU what is usual there: images with the channels last.
    place = {"device": "cuda" if cuda else "cpu", "dtype": torch.bfloat16 if precision == "bf16" else torch.float32}
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    synchronize = torch.cuda.synchronize if cuda else lambda: None

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    for item in items:
        kind, shape, options, *rest = item.split("/")
        shape, options = [int(size) for size in shape.split("x")], [int(option) for option in options.split(",")]
        layer = nn.Conv1d(shape[1], *options) if kind == "conv1d" else nn.Conv2d(shape[1], *options, bias=False)
        last = {"memory_format": torch.channels_last} if cuda and kind == "conv2d" else {}
        layer = layer.to(**place, **last)
        x = torch.randn(shape).to(**place, **last).requires_grad_(rest != ["first"])
        grad = torch.ones_like(layer(x))
        times, started = [], None
        while len(times) < 3 or time.perf_counter() - started < seconds:
            x.grad = None
            layer.zero_grad(set_to_none=True)
            synchronize()
            begin = time.perf_counter()
            layer(x).backward(grad)
            synchronize()
            times.append(time.perf_counter() - begin)
            if started is None:  # the first one warms up
                times, started = [], time.perf_counter()
        print(json.dumps({"item": item, "threads": threads, "median": statistics.median(times)}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("items", nargs="*")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--ours", help="a benchmark that is built already")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32")
    parser.add_argument("--cuda", action="store_true", help="on the first GPU")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments.items, arguments.threads, arguments.seconds, arguments.precision, arguments.cuda)
    options = ["--precision", arguments.precision] + (["--cuda"] if arguments.cuda else [])
    sides = [[arguments.ours or build(arguments.cuda), *options], [sys.executable, __file__, "--peer", *options]]
    print("| work | times | threads | mbls-nn | PyTorch | ratio |\n|---|---:|---:|---:|---:|---:|")
    for network in arguments.items or NETWORKS:
        layers = NETWORKS[network]() if network in NETWORKS else [network]
        items = list(dict.fromkeys(layers))
        for threads in [arguments.threads] if arguments.threads else [1, 2]:
            found = [[], []]
            for _ in range(arguments.rounds):
                for command, runs in zip(sides, found):
                    runs.append(medians(command, items, threads, arguments.seconds))
            ours, peer = ({item: statistics.median(run[item] for run in runs) for item in items} for runs in found)
            rows = [(network, len(layers), sum(map(ours.get, layers)), sum(map(peer.get, layers)))]
            if arguments.each:
                rows = [(item, layers.count(item), ours[item], peer[item]) for item in items] + rows
            for name, times, a, b in rows:
                print(f"| {name} | {times} | {threads} | {a * 1e3:.4g} ms | {b * 1e3:.4g} ms | {b / a:.2f} |", flush=True)


if __name__ == "__main__":
    main()
