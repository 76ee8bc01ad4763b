"""Times a segmentation network beside torchvision's, in turn: A B A B, medians, and the memory that each takes; by default training steps of
DeepLabV3 on ResNet-50 with 2 pictures of 256 x 256.

    pip install torch torchvision
    python crates/mbls-seg/benches/compare.py [--layers 50] [--batch 2] [--size 256] [--mode train] [--rounds 3] [--threads T] [--seconds 5]
    python crates/mbls-seg/benches/compare.py --batch 16 --size 512 --threads 1 --cuda --precision tf32  # or f32, bf16

Run from the workspace's folder on an otherwise idle machine. A step is forward with dropout, MbLS over the labelled pixels, backward, clipping and SGD with
momentum, in f32; inference is forward alone, of PyTorch in eval() under inference_mode. Ours runs in the benchmark `step`, the other side is
torchvision's `deeplabv3_resnet50` or `deeplabv3_resnet101` without auxiliary classifier, which has to have as many parameters. Each run is a process of its
own; its memory is the most that the process has had, PyTorch's own libraries and ours included.

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

CLASSES, UNLABELLED = 21, 255


def build(cuda):
    command = ["cargo", "bench", "--package", "mbls-seg", "--bench", "step", "--no-run", "--message-format", "json"]
    command += ["--features", "cuda"] if cuda else []
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "step")


def run_peer(arguments):
    import torch
    from torch.nn import functional as F
    from torchvision.models import segmentation

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    cuda, place = arguments.cuda, "cuda" if arguments.cuda else "cpu"
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = arguments.precision == "tf32"
    last = {"memory_format": torch.channels_last} if cuda else {}
    synchronize = torch.cuda.synchronize if cuda else lambda: None
    half = lambda: torch.autocast(place, dtype=torch.bfloat16, enabled=arguments.precision == "bf16")
    make = {50: segmentation.deeplabv3_resnet50, 101: segmentation.deeplabv3_resnet101}[arguments.layers]
    model = make(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False).to(place, **last)
    batch, size = arguments.batch, arguments.size
    images = torch.randn(batch, 3, size, size).to(place, **last)
    labels = torch.arange(batch * size * size) % (CLASSES + 1)
    labels[labels == CLASSES] = UNLABELLED
    labels = labels.reshape(batch, size, size).to(place)
    labelled = labels != UNLABELLED
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=5e-4, **({"fused": True} if cuda else {}))

    def train():
        optimizer.zero_grad(set_to_none=True)
        with half():
            logits = model(images)["out"]
        logits = logits.float()
        distances = logits.max(dim=1, keepdim=True).values - logits
        penalties = F.relu(distances - 10).mean(dim=1)[labelled].mean()
        loss = F.cross_entropy(logits, labels, ignore_index=UNLABELLED) + 0.1 * penalties
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
    parser.add_argument("--layers", type=int, choices=[50, 101], default=50)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=int, default=256)
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
    under, batch = shlex.split(arguments.under), arguments.batch
    ours = [arguments.ours or build(arguments.cuda), "--model", f"deeplabv3-r{arguments.layers}-torchvision"]
    sides = [[*under, *ours], [*under, sys.executable, __file__, "--peer", "--layers", str(arguments.layers)]]
    what = ["--batch", str(batch), "--size", str(arguments.size), "--mode", arguments.mode, "--precision", arguments.precision]
    what += ["--cuda"] if arguments.cuda else []
    place = ", GPU" if arguments.cuda else ""
    print(f"DeepLabV3 on ResNet-{arguments.layers}, {batch} x 3 x {arguments.size} x {arguments.size}, {arguments.mode}, {arguments.precision}{place}\n")
    print("| threads | mbls, median | torchvision | ratio | mbls, pictures/s | torchvision | mbls, memory | torchvision | rounds |")
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
        rounds = ", ".join(f"{a['median'] * 1e3:.0f} to {b['median'] * 1e3:.0f} ms" for a, b in zip(*found))
        print(f"| {threads} | {ours * 1e3:.4g} ms | {peer * 1e3:.4g} ms | {peer / ours:.2f} | {batch / ours:.2f} | {batch / peer:.2f} | {memory} | {rounds} |", flush=True)


if __name__ == "__main__":
    main()
