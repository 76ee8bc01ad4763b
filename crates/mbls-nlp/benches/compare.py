"""Compares a text network with PyTorch's, alternately (A B A B): median times and memory. The default is training steps of GlobalPoolingCNN
with 128 texts of 1,000 words and frozen vectors of dimension 100.

    pip install torch
    python crates/mbls-nlp/benches/compare.py [--model global-pooling-cnn] [--batch 128] [--length 1000] [--dim 100] [--words frozen] [--mode train]
        [--rounds 3] [--threads T] [--seconds 5]

Run it in the folder of the workspace on an otherwise idle machine. A step is the look-up of word vectors, forward, MbLS, backward and SGD with momentum, in
f32; inference is only forward, in PyTorch with eval() under inference_mode. Ours is the benchmark `step`; the peer is the same network in PyTorch
(fixtures/text-networks/networks.py, which also generates the golden values), which must have the same number of parameters. `scripts/beside_pytorch.py`
describes how both are timed.
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
    # On average a third of a text is padding, from none to nearly all of it.
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
