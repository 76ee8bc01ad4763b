"""Compares the evaluation of segmentations with torchmetrics on the same logits, alternately (A B A B).

    pip install numpy torch torchmetrics
    python crates/mbls-seg/benches/compare_evaluation.py [--pictures 60] [--rounds 2] [--threads 2]

Run it in the folder of the workspace on an otherwise idle machine. Ours is the benchmark `evaluation`, built before the first round.
The peer is idiomatic torchmetrics: a MetricCollection of the same scores, updated image by image, with IoU, Dice and accuracy per
class and the calibration error of the top label. Both read the same few images repeatedly from a file; reading is not timed. Prints
the time of the metrics, the peak memory, and the values of both.

`common` is ours without classwise calibration, `all` the torchmetrics metrics above. `pooled` is ours with classwise calibration, and
`classes` is torchmetrics with an additional BinaryCalibrationError per class, on fewer images because it keeps every probability.
`both` adds the published protocol. `none` reads images without computing metrics.
"""
import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))
import beside_pytorch

CLASSES, HEIGHT, WIDTH, VOID, DISTINCT = 21, 480, 480, 255, 4


def make(path):
    """Writes images of regions: noise, a bonus for the label in nine of ten pixels, and a strip of void at the edges of regions."""
    import numpy as np

    rng = np.random.default_rng(0)
    with open(path, "wb") as file:
        for _ in range(DISTINCT):
            labels = np.zeros((HEIGHT, WIDTH), np.uint8)
            for _ in range(4):
                y, x, h, w = rng.integers(0, 330), rng.integers(0, 330), rng.integers(60, 150), rng.integers(60, 150)
                labels[y : y + h, x : x + w] = VOID
                labels[y + 3 : y + h - 3, x + 3 : x + w - 3] = rng.integers(1, CLASSES)
            logits = rng.uniform(-2, 2, (CLASSES, HEIGHT, WIDTH)).astype("<f4")
            hit = np.where(rng.random(labels.shape) < 0.9, labels % CLASSES, rng.integers(0, CLASSES, labels.shape))
            bonus = rng.uniform(0, 12, labels.shape).astype("<f4")
            np.put_along_axis(logits, hit[None], np.take_along_axis(logits, hit[None], 0) + bonus, 0)
            file.write(logits.tobytes() + labels.tobytes())


def run_peer(path, images, threads, what):
    import resource
    import numpy as np
    import torch
    import torchmetrics
    from torchmetrics.classification import BinaryCalibrationError, MulticlassAccuracy, MulticlassCalibrationError
    from torchmetrics.classification import MulticlassF1Score, MulticlassJaccardIndex

    torch.set_num_threads(threads)
    common = dict(num_classes=CLASSES, ignore_index=VOID, validate_args=False)
    overlap = {
        "iou": MulticlassJaccardIndex(average="none", **common),
        "dice": MulticlassF1Score(average="none", **common),
        "accuracy": MulticlassAccuracy(average="none", **common),
    }
    ece = {"ece": MulticlassCalibrationError(n_bins=15, norm="l1", **common)}
    metrics = torchmetrics.MetricCollection(overlap | ece)
    by_class = [BinaryCalibrationError(n_bins=15, norm="l1", ignore_index=VOID, validate_args=False) for _ in range(CLASSES)]
    area, times = HEIGHT * WIDTH, []
    raw = np.memmap(path, np.uint8, "r").reshape(DISTINCT, -1)
    for index in range(images):
        image = np.array(raw[index % DISTINCT])
        logits = torch.from_numpy(image[: 4 * CLASSES * area].view("<f4").reshape(1, CLASSES, HEIGHT, WIDTH))
        labels = torch.from_numpy(image[4 * CLASSES * area :].reshape(1, HEIGHT, WIDTH).astype(np.int64))
        begin = time.perf_counter()
        metrics.update(logits, labels)
        if what == "classes":
            probs = logits.softmax(1)
            for k, metric in enumerate(by_class):
                metric.update(probs[:, k], torch.where(labels == VOID, VOID, (labels == k).long()))
        times.append(time.perf_counter() - begin)
    begin = time.perf_counter()
    values = metrics.compute()
    if what == "classes":
        values["cece"] = sum(metric.compute() for metric in by_class) / CLASSES
    times.append(time.perf_counter() - begin)
    result = {"pictures": images, "seconds": sum(times), "peak_kib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}
    result |= {"ece": values["ece"].item(), "mean_iou": values["iou"].mean().item(), "mean_dice": values["dice"].mean().item()}
    print(json.dumps(result | {"torch": torch.__version__, "torchmetrics": torchmetrics.__version__}))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, action="append")
    parser.add_argument("--profile", help="cargo profile; by default that of benchmarks")
    parser.add_argument("--program", help="an existing build of the benchmark `evaluation`")
    parser.add_argument("--only", help="run only this set of metrics")
    parser.add_argument("--peer", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.peer:
        path, what = arguments.peer
        return run_peer(path, arguments.pictures, arguments.threads[0], what)
    program = arguments.program or beside_pytorch.build("mbls-seg", "evaluation", profile=arguments.profile)
    with tempfile.TemporaryDirectory() as folder:
        path = str(pathlib.Path(folder) / "pictures")
        make(path)
        size = [CLASSES, HEIGHT, WIDTH, arguments.pictures]
        ours = lambda what, threads: beside_pytorch.run([program, path, *map(str, size), what, str(threads)])

        def peer(what, threads):
            images = min(arguments.pictures, 8) if what == "classes" else arguments.pictures
            command = [sys.executable, __file__, "--peer", path, what, "--pictures", str(images)]
            return beside_pytorch.run(command + ["--threads", str(threads)])

        print("| metrics | threads | ms per image | peak MiB |\n|---|---:|---:|---:|")
        for threads in arguments.threads or [1, 2]:
            sides = [("ours", ours, "common"), ("torchmetrics", peer, "all"), ("ours", ours, "pooled")]
            sides += [("torchmetrics", peer, "classes"), ("ours", ours, "both"), ("ours", ours, "none")]
            sides = [side for side in sides if arguments.only in (None, side[2])]
            seen = {}
            for _ in range(arguments.rounds):
                for name, side, what in sides:
                    seen.setdefault((name, what), []).append(side(what, threads))
            for (name, what), runs in seen.items():
                ms = statistics.median(run["seconds"] / run["pictures"] for run in runs) * 1e3
                print(f"| {name}, {what} | {threads} | {ms:.4g} | {max(run['peak_kib'] for run in runs) / 1024:.0f} |", flush=True)
        for key, runs in seen.items():
            print(*key, {k: v for k, v in runs[-1].items() if k not in ("seconds", "median_picture", "peak_kib")})


if __name__ == "__main__":
    main()
