"""Times a network for texts beside PyTorch's, in turn: A B A B, medians, and the memory that each takes; by default training steps of GlobalPoolingCNN
with 128 texts of 1,000 words and frozen vectors of 100 numbers.

    pip install torch
    python crates/mbls-nlp/benches/compare.py [--model global-pooling-cnn] [--batch 128] [--length 1000] [--dim 100] [--words frozen] [--mode train]
        [--rounds 3] [--threads T] [--seconds 5]

Run from the workspace's folder on an otherwise idle machine. A step looks the word vectors up, then it is forward, MbLS, backward and SGD with momentum, in f32;
inference is forward alone, of PyTorch in eval() under inference_mode. Ours runs in the benchmark `step`; the other side is the same network of PyTorch's
layers (fixtures/text-networks/networks.py, which the golden values come from too), which has to have as many parameters. `scripts/beside_pytorch.py` says
how both are timed.
"""
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "fixtures/text-networks")]
import beside_pytorch

CLASSES, WORDS = 20, 2000


def run_peer(arguments):
    import networks
    import torch
    from torch.nn import functional as F

    place, _ = beside_pytorch.prepare_peer(arguments)
    batch, length, dim = arguments.batch, arguments.length, arguments.dim
    table = torch.nn.Embedding(WORDS, dim, padding_idx=0)
    table.weight.requires_grad = arguments.words == "trained"
    model = networks.Classifier(table, networks.BY_NAME[arguments.model](dim, CLASSES)).to(place)
    # A third of a text is padding on average, from none to nearly all.
    places = torch.arange(batch * length).reshape(batch, length)
    texts = places * 7919 % (WORDS - 1) + 1
    texts[places % length < places // length * 2 * length // (3 * batch)] = 0
    texts, labels = texts.to(place), (torch.arange(batch) % CLASSES).to(place)

    def loss(logits):
        distances = logits.max(dim=1, keepdim=True).values - logits
        return F.cross_entropy(logits, labels) + 0.1 * F.relu(distances - 10).mean()

    beside_pytorch.time_peer(arguments, model, lambda: model(texts), loss)


def main():
    parser = beside_pytorch.parser(batch=128, precisions=["f32", "tf32"])
    parser.add_argument("--model", default="global-pooling-cnn")
    parser.add_argument("--length", type=int, default=1000)
    parser.add_argument("--dim", type=int, default=100)
    parser.add_argument("--words", choices=["frozen", "trained"], default="frozen")
    arguments = parser.parse_args()
    if arguments.peer:
        return run_peer(arguments)
    title = f"{arguments.model}, {arguments.batch} x {arguments.length} x {arguments.dim}, {arguments.words} vectors"
    what = ["--model", arguments.model, "--length", str(arguments.length), "--dim", str(arguments.dim), "--words", arguments.words]
    beside_pytorch.compare(arguments, "mbls-nlp", __file__, title, what, unit="texts")


if __name__ == "__main__":
    main()
