"""Times layers of mbls-nn and PyTorch on the same work.

The two run alternately (A B A B). Reports medians, each multiplied by the number of times that a network has the layer.

    pip install torch
    python crates/mbls-nn/benches/compare.py [NETWORK|ITEM ...] [--kinds KIND ...] [--rounds 2] [--threads T] [--seconds 1] [--each] [--apart]
    python crates/mbls-nn/benches/compare.py resnet50-128 resnet50-512 --threads 1 --each --cuda --precision tf32  # or f32, bf16

Run it in the root of the workspace on an otherwise idle machine. An item is one distinct layer of a network, forward and backward,
in f32. mbls-nn runs in the benchmark `layers`, the other side is plain PyTorch; each kind of layer runs in a separate process. The
rows of a network sum its items per kind and in total, each as often as it occurs; with `--each` every item also has a row. The first
layer of a network computes no gradient of its input on either side.

PyTorch implements optimizer steps and clipping in several forms: plain (a loop over parameters), foreach and fused. Each is timed,
and the comparison uses the fastest, which the row names.

Batch norm with addition and ReLU is one item. In PyTorch it is three operations, the latter two in place as in torchvision. With
`--apart` each of the three is a separate item on both sides.
"""
import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys
import time

from networks import NETWORKS, ON_CPU, apart, group, operations

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))
import beside_pytorch


def medians(command, items, threads, seconds):
    command = [*command, "--threads", str(threads), "--seconds", str(seconds), *items]
    lines = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    return {row["item"]: row["median"] for row in rows}, {row["form"] for row in rows if row.get("form")}


def peer_steps(kind, shapes, place):
    """Returns functions that run an optimizer step, or clipping, by the name of their form."""
    import torch

    parameters = [torch.randn([int(size) for size in shape.split("x")]).to(**place).requires_grad_(True) for shape in shapes.split("+")]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    if kind == "clip":
        # Clipping multiplies in any case; a limit above the norm leaves the gradients unchanged.
        clip = torch.nn.utils.clip_grad_norm_
        return {form: lambda foreach=form == "foreach": clip(parameters, 1e9, foreach=foreach) for form in ("plain", "foreach")}
    make = {
        "sgd": lambda **form: torch.optim.SGD(parameters, 1e-6, momentum=0.9, weight_decay=5e-4, nesterov=True, **form),
        "adam": lambda **form: torch.optim.Adam(parameters, 1e-6, **form),
        "adamw": lambda **form: torch.optim.AdamW(parameters, 1e-6, **form),
    }[kind]
    forms = {"plain": {"foreach": False, "fused": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
    return {name: make(**form).step for name, form in forms.items()}


def peer_layer(kind, shape, options, place):
    import torch
    from torch import nn
    from torch.nn import functional as F

    channels, flat = shape[1], len(shape) == 3
    if kind.startswith("batch_norm"):
        norm = nn.BatchNorm2d(channels).to(place["device"])
        if kind == "batch_norm":
            return norm, norm
        residual = torch.randn(shape).to(**place).requires_grad_(True) if kind == "batch_norm_add_relu" else None

        def together(x):
            y = norm(x)
            if residual is not None:
                residual.grad = None
                y += residual
            return F.relu_(y)

        return norm, together
    if kind == "add":
        other = torch.randn(shape).to(**place).requires_grad_(True)

        def add(x):
            other.grad = None
            return x + other

        return None, add
    layer = {
        "conv1d": lambda: nn.Conv1d(channels, *options),
        "conv2d": lambda: nn.Conv2d(channels, *options, bias=False),
        "relu": lambda: nn.ReLU(),
        "max_pool": lambda: nn.MaxPool1d(*options) if flat else nn.MaxPool2d(*options),
        "global_avg_pool": lambda: nn.AdaptiveAvgPool2d(1),
        "global_max_pool": lambda: nn.AdaptiveMaxPool1d(1),
        "bilinear": lambda: nn.Upsample(size=options, mode="bilinear", align_corners=False),
        "linear": lambda: nn.Linear(channels, *options),
    }[kind]().to(**place)
    return layer, layer


def run_peer(items, threads, seconds, precision, cuda):
    import torch

    place = {"device": "cuda" if cuda else "cpu", "dtype": torch.bfloat16 if precision == "bf16" else torch.float32}
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    synchronize = torch.cuda.synchronize if cuda else lambda: None
    torch.set_num_threads(threads)
    torch.manual_seed(0)

    def median(step, reset=lambda: None):
        times, started = [], None
        while len(times) < 3 or time.perf_counter() - started < seconds:
            reset()
            synchronize()
            begin = time.perf_counter()
            step()
            synchronize()
            times.append(time.perf_counter() - begin)
            if started is None:  # the first step warms up
                times, started = [], time.perf_counter()
        return statistics.median(times)

    for item in items:
        kind, shape, options, *rest = [*item.split("/"), ""]
        if kind in ("sgd", "adam", "adamw", "clip"):
            found, form = min((median(step), form) for form, step in peer_steps(kind, shape, place).items())
            print(json.dumps({"item": item, "threads": threads, "median": found, "form": form}))
            continue
        shape, options = [int(size) for size in shape.split("x")], [int(option) for option in options.split(",") if option]
        # On a GPU, channels-last images are customary.
        last = {"memory_format": torch.channels_last} if cuda and len(shape) == 4 else {}
        layer, forward = peer_layer(kind, shape, options, {**place, **last})
        x = torch.randn(shape).to(**place, **last).requires_grad_("first" not in rest)
        grad = torch.ones_like(forward(x))

        def reset():
            x.grad = None
            if layer is not None:
                layer.zero_grad(set_to_none=True)

        print(json.dumps({"item": item, "threads": threads, "median": median(lambda: forward(x).backward(grad), reset)}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("items", nargs="*")
    parser.add_argument("--kinds", nargs="+", help="only these kinds of layers, named as in the rows")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--apart", action="store_true")
    parser.add_argument("--ours", help="path of an already built benchmark")
    parser.add_argument("--under", default="", help="a command that wraps each process, such as 'taskset -c 0'")
    parser.add_argument("--precision", choices=["f32", "tf32", "bf16"], default="f32")
    parser.add_argument("--cuda", action="store_true", help="run on the first GPU")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments.items, arguments.threads, arguments.seconds, arguments.precision, arguments.cuda)
    under = shlex.split(arguments.under)
    options = ["--precision", arguments.precision] + (["--cuda"] if arguments.cuda else [])
    program = arguments.ours or beside_pytorch.build("mbls-nn", "layers", "cuda" if arguments.cuda else "")
    sides = [[*under, program, *options], [*under, sys.executable, __file__, "--peer", *options]]
    print("| work | times | threads | mbls-nn | PyTorch | ratio | GFLOP/s |\n|---|---:|---:|---:|---:|---:|---:|")
    for network in arguments.items or ON_CPU:
        layers = list(NETWORKS[network]()) if network in NETWORKS else [network]
        layers = list(apart(layers)) if arguments.apart else layers
        groups = {}
        for item in layers:
            if not arguments.kinds or group(item) in arguments.kinds:
                groups.setdefault(group(item), []).append(item)
        for threads in [arguments.threads] if arguments.threads else [1, 2]:
            compare(network, groups, sides, threads, arguments)


def compare(network, groups, sides, threads, arguments):
    def row(name, times, ours, peer, work):
        rate = f"{work / ours / 1e9:.0f}" if work else ""
        print(f"| {name} | {times} | {threads} | {ours * 1e3:.4g} ms | {peer * 1e3:.4g} ms | {peer / ours:.2f} | {rate} |", flush=True)

    totals = []
    for kind, layers in groups.items():
        items = list(dict.fromkeys(layers))
        found, forms = [[], []], set()
        for _ in range(arguments.rounds):
            for command, runs in zip(sides, found):
                run, named = medians(command, items, threads, arguments.seconds)
                runs.append(run)
                forms |= named
        ours, peer = ({item: statistics.median(run[item] for run in runs) for item in items} for runs in found)
        if arguments.each:
            for item in items:
                row(item, layers.count(item), ours[item], peer[item], operations(item))
        totals.append((len(layers), sum(map(ours.get, layers)), sum(map(peer.get, layers))))
        row(", ".join([network, kind, *sorted(forms)]), *totals[-1], sum(map(operations, layers)))
    if len(totals) > 1 and not network.endswith("-steps"):
        row(f"{network}, all", *map(sum, zip(*totals)), 0)


if __name__ == "__main__":
    main()
