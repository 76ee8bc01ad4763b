"""Compares the time and memory of a network in mbls-vision and PyTorch, by default of training steps of ResNet-20 with batch size 128.

The two run alternately (A B A B); reports medians.

    pip install torch
    python crates/mbls-vision/benches/compare.py [--model resnet20] [--batch 128] [--mode train] [--rounds 3] [--threads T] [--seconds 5]
    python crates/mbls-vision/benches/compare.py --model resnet50-cifar --batch 512 --threads 1 --cuda --precision tf32  # or f32, bf16

Run it in the root of the workspace on an otherwise idle machine. A training step is forward, MbLS, backward, clipping and SGD with
momentum, in f32. Inference is the forward pass alone; PyTorch runs it in eval() under inference_mode. mbls-vision runs in the benchmark
`step`, the other side is plain PyTorch with the same network (shortcuts of 1x1 convolutions), which must have the same number of
parameters. `scripts/beside_pytorch.py` describes how both are timed.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))
import beside_pytorch

# Convolutions per block, blocks per stage, channels after the stem, side of the last feature map, classes, side of the image.
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

    place, last = beside_pytorch.prepare_peer(arguments)
    *network, classes, size = MODELS[arguments.model]
    model = residual_network(*network, classes).to(place, **last)
    images = torch.randn(arguments.batch, 3, size, size).to(place, **last)
    labels = (torch.arange(arguments.batch) % classes).to(place)

    def loss(logits):
        distances = logits.max(dim=1, keepdim=True).values - logits
        return F.cross_entropy(logits, labels) + 0.1 * F.relu(distances - 6).mean()

    beside_pytorch.time_peer(arguments, model, lambda: model(images), loss, clip=2.0)


def main():
    parser = beside_pytorch.parser(batch=128)
    parser.add_argument("--model", choices=MODELS, default="resnet20")
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments)
    title = f"{arguments.model}, batch {arguments.batch}"
    beside_pytorch.compare(arguments, "mbls-vision", __file__, title, ["--model", arguments.model])


if __name__ == "__main__":
    main()
