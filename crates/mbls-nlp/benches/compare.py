"""Times a network for texts beside PyTorch's, in turn: A B A B, medians, and the memory that each takes; by default training steps of GlobalPoolingCNN
with 128 texts of 1,000 words and frozen vectors of 100 numbers.

    pip install torch
    python crates/mbls-nlp/benches/compare.py [--model global-pooling-cnn] [--batch 128] [--length 1000] [--dim 100] [--words frozen] [--mode train]
        [--rounds 3] [--threads T] [--seconds 5]

Run from the workspace's folder on an otherwise idle machine. A step looks the word vectors up, then it is forward, MbLS, backward and SGD with momentum, in f32;
inference is forward alone, of PyTorch in eval() under inference_mode. Ours runs in the benchmark `step`; the other side is the same network of PyTorch's
layers (fixtures/text-networks/networks.py, which the golden values come from too), which has to have as many parameters. Each run is a process of its own; its memory is the
most that the process has had, PyTorch's own libraries and ours included.
"""
import argparse
import json
import os
import pathlib
import shlex
import statistics
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # else OpenMP spins between regions, which costs milliseconds
os.environ.setdefault("CANDLE_NUM_THREADS", "1")  # else candle's own threads spin beside those that compute

CLASSES, WORDS = 20, 2000


def build(cuda):
    command = ["cargo", "bench", "--package", "mbls-nlp", "--bench", "step", "--no-run", "--message-format", "json"]
    command += ["--features", "cuda"] if cuda else []
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    messages = [json.loads(line) for line in lines]
    return next(m["executable"] for m in messages if m.get("executable") and m["target"]["name"] == "step")


def run_peer(arguments):
    import torch
    from torch.nn import functional as F

    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "fixtures/text-networks"))
    import networks

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    cuda, place = arguments.cuda, "cuda" if arguments.cuda else "cpu"
    synchronize = torch.cuda.synchronize if cuda else lambda: None
    batch, length, dim = arguments.batch, arguments.length, arguments.dim
    table = torch.nn.Embedding(WORDS, dim, padding_idx=0)
    table.weight.requires_grad = arguments.words == "trained"
    model = networks.Classifier(table, networks.BY_NAME[arguments.model](dim, CLASSES)).to(place)
    # A third of a text is padding on average, from none to nearly all.
    places = torch.arange(batch * length).reshape(batch, length)
    texts = places * 7919 % (WORDS - 1) + 1
    texts[places % length < places // length * 2 * length // (3 * batch)] = 0
    texts, labels = texts.to(place), (torch.arange(batch) % CLASSES).to(place)
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.01, momentum=0.9, weight_decay=5e-4, **({"fused": True} if cuda else {}))

    def train():
        optimizer.zero_grad(set_to_none=True)
        logits = model(texts)
        distances = logits.max(dim=1, keepdim=True).values - logits
        loss = F.cross_entropy(logits, labels) + 0.1 * F.relu(distances - 10).mean()
        loss.backward()
        optimizer.step()

    @torch.inference_mode()
    def infer():
        model(texts)

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
    parameters = sum(p.numel() for p in trained)
    print(json.dumps({"threads": arguments.threads, "parameters": parameters, "median": statistics.median(times), "least": min(times), "memory": memory}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="global-pooling-cnn")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--length", type=int, default=1000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--words", choices=["frozen", "trained"], default="frozen")
    parser.add_argument("--mode", choices=["train", "inference"], default="train")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--ours", help="a benchmark that is built already")
    parser.add_argument("--under", default="", help="a command that each process runs under, such as 'taskset -c 0'")
    parser.add_argument("--cuda", action="store_true", help="on the first GPU")
    parser.add_argument("--peer", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments)
    under, batch = shlex.split(arguments.under), arguments.batch
    sides = [[*under, arguments.ours or build(arguments.cuda)], [*under, sys.executable, __file__, "--peer"]]
    what = ["--model", arguments.model, "--batch", str(batch), "--length", str(arguments.length), "--dim", str(arguments.dim)]
    what += ["--words", arguments.words, "--mode", arguments.mode] + (["--cuda"] if arguments.cuda else [])
    place = ", GPU" if arguments.cuda else ""
    print(f"{arguments.model}, {batch} x {arguments.length} x {arguments.dim}, {arguments.words} vectors, {arguments.mode}{place}\n")
    print("| threads | mbls, median | PyTorch | ratio | mbls, texts/s | PyTorch | mbls, memory | PyTorch | rounds |")
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
