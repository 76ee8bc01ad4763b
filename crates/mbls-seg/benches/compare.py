"""Compares a segmentation network with torchvision's, alternately (A B A B): median times and memory. The default is training steps of
DeepLabV3 on ResNet-50 with 2 images of 256 x 256.

    pip install torch torchvision
    python crates/mbls-seg/benches/compare.py [--layers 50] [--batch 2] [--size 256] [--mode train] [--rounds 3] [--threads T] [--seconds 5]
    python crates/mbls-seg/benches/compare.py --batch 16 --size 512 --threads 1 --cuda --precision tf32  # or f32, bf16

Run it in the folder of the workspace on an otherwise idle machine. A step is forward with dropout, MbLS over the labelled pixels, backward, clipping and
SGD with momentum, in f32; inference is only forward, in PyTorch with eval() under inference_mode. Ours is the benchmark `step`, the peer is
torchvision's `deeplabv3_resnet50` or `deeplabv3_resnet101` without auxiliary classifier, which must have the same number of parameters.
`scripts/beside_pytorch.py` describes how both are timed.
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))
import beside_pytorch

CLASSES, UNLABELLED = 21, 255


def run_peer(arguments):
    import torch
    from torch.nn import functional as F
    from torchvision.models import segmentation

    place, last = beside_pytorch.prepare_peer(arguments)
    make = {50: segmentation.deeplabv3_resnet50, 101: segmentation.deeplabv3_resnet101}[arguments.layers]
    model = make(weights=None, weights_backbone=None, num_classes=CLASSES, aux_loss=False).to(place, **last)
    batch, size = arguments.batch, arguments.size
    images = torch.randn(batch, 3, size, size).to(place, **last)
    labels = torch.arange(batch * size * size) % (CLASSES + 1)
    labels[labels == CLASSES] = UNLABELLED
    labels = labels.reshape(batch, size, size).to(place)
    labelled = labels != UNLABELLED

    def loss(logits):
        distances = logits.max(dim=1, keepdim=True).values - logits
        penalties = F.relu(distances - 10).mean(dim=1)[labelled].mean()
        return F.cross_entropy(logits, labels, ignore_index=UNLABELLED) + 0.1 * penalties

    beside_pytorch.time_peer(arguments, model, lambda: model(images)["out"], loss, clip=2.0)


def main():
    parser = beside_pytorch.parser(batch=2)
    parser.add_argument("--layers", type=int, choices=[50, 101], default=50)
    parser.add_argument("--size", type=int, default=256)
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments)
    layers, size = str(arguments.layers), str(arguments.size)
    title = f"DeepLabV3 on ResNet-{layers}, {arguments.batch} x 3 x {size} x {size}"
    ours, peer = ["--model", f"deeplabv3-r{layers}-torchvision"], ["--layers", layers]
    beside_pytorch.compare(arguments, "mbls-seg", __file__, title, ["--size", size], ours, peer, name="torchvision")


if __name__ == "__main__":
    main()
