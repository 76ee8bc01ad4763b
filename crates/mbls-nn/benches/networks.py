"""The layers of the networks that `compare.py` measures, as items of the benchmark `layers`: `KIND/INPUT SHAPE/OPTIONS`.

CIFAR ResNets with batch 32 of 32x32 (ResNet-20 with 128), a text CNN on 128 sequences of 1000 vectors of 100, DeepLabV3 with ResNet-50 on 2 images of 256x256
at output stride 8, without its dropout and the concatenation of its branches. `NETWORK-steps` are optimizer steps on a network's
parameters, and the clipping of their gradients.
"""


def by(*sizes):
    return "x".join(map(str, sizes))


def conv2d(images, inputs, size, outputs, kernel, stride=1, dilation=1, first=False):
    padding = dilation * (kernel // 2)
    yield f"conv2d/{by(images, inputs, size, size)}/{outputs},{kernel},{stride},{padding},{dilation},1" + ("/first" if first else "")


def norm(images, channels, size, then=()):
    """Yields batch norm and its epilogue: `relu`, or `add` and `relu`."""
    shape = by(images, channels, size, size)
    if not then:
        yield f"batch_norm/{shape}"
    else:
        yield f"batch_norm_{'_'.join(then)}/{shape}"


def unit(images, inputs, size, outputs, kernel, stride=1, dilation=1, first=False, then=("relu",)):
    """Yields a convolution without bias, batch norm, and its epilogue."""
    yield from conv2d(images, inputs, size, outputs, kernel, stride, dilation, first)
    yield from norm(images, outputs, -(-size // stride), then)


def basic_blocks(images, size, widths=(64, 128, 256, 512), blocks=2):
    inputs = widths[0]
    for stage, outputs in enumerate(widths):
        for block in range(blocks):
            stride = 2 if stage and not block else 1
            yield from unit(images, inputs, size, outputs, 3, stride)
            if stride > 1:
                yield from unit(images, inputs, size, outputs, 1, stride, then=())
            size //= stride
            yield from unit(images, outputs, size, outputs, 3, then=("add", "relu"))
            inputs = outputs


def bottlenecks(images, size, dilated=()):
    """Yields the bottlenecks of a ResNet-50; stages in `dilated` use dilation instead of a stride."""
    inputs, dilation = 64, 1
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width, stride, before = 64 << stage, 2 if stage else 1, dilation
        if stage in dilated:
            dilation, stride = 2 * dilation, 1
        for block in range(blocks):
            move = 1 if block else stride
            yield from unit(images, inputs, size, width, 1)
            yield from unit(images, width, size, width, 3, move, dilation if block else before)
            if not block:
                yield from unit(images, inputs, size, 4 * width, 1, move, then=())
            size //= move
            yield from unit(images, width, size, 4 * width, 1, then=("add", "relu"))
            inputs = 4 * width


def cifar(images, blocks, channels, stem=64, size=4):
    yield from unit(images, 3, 32, stem, 3, first=True)
    yield from blocks(images, 32)
    yield f"global_avg_pool/{by(images, channels, size, size)}"
    yield f"linear/{by(images, channels)}/10"


def resnet20(images):
    return cifar(images, lambda images, size: basic_blocks(images, size, (16, 32, 64), 3), 64, 16, 8)


def parameters(item):
    """Returns the shapes of a layer's parameters."""
    kind, shape, options, *_ = [*item.split("/"), ""]
    channels, *sizes = shape.split("x")[1:]
    outputs, kernel, *_ = [*options.split(","), ""]
    if kind.startswith("conv"):
        return [by(outputs, channels, *[kernel] * len(sizes))] + ([outputs] if kind == "conv1d" else [])
    if kind.startswith("batch_norm"):
        return [channels, channels]
    return [by(outputs, channels), outputs] if kind == "linear" else []


def steps(network):
    """Returns optimizer steps on all parameters of a network."""
    shapes = "+".join(shape for item in network for shape in parameters(item))
    return [f"{kind}/{shapes}" for kind in ("sgd", "adam", "adamw", "clip")]


def text_cnn(texts):
    width = 128
    for i, (inputs, size) in enumerate(((100, 1000), (width, 992), (width, 984))):
        yield f"conv1d/{by(texts, inputs, size)}/{width},5,1,0,1,1" + ("" if i else "/first")
        yield f"relu/{by(texts, width, size - 4)}"
        if i < 2:
            yield f"max_pool/{by(texts, width, size - 4)}/5,1,0"
    yield f"global_max_pool/{by(texts, width, size - 4)}"
    yield f"linear/{by(texts, width)}/{width}"
    yield f"relu/{by(texts, width)}"
    yield f"linear/{by(texts, width)}/20"


def deeplabv3(images, size, classes=21):
    yield from unit(images, 3, size, 64, 7, 2, first=True)
    yield f"max_pool/{by(images, 64, size // 2, size // 2)}/3,2,1"
    yield from bottlenecks(images, size // 4, dilated=(2, 3))
    out = size // 8
    yield from unit(images, 2048, out, 256, 1)
    for dilation in (12, 24, 36):
        yield from unit(images, 2048, out, 256, 3, dilation=dilation)
    yield f"global_avg_pool/{by(images, 2048, out, out)}"
    yield from unit(images, 2048, 1, 256, 1)
    yield f"bilinear/{by(images, 256, 1, 1)}/{out},{out}"
    yield from unit(images, 1280, out, 256, 1)
    yield from unit(images, 256, out, 256, 3)
    yield from conv2d(images, 256, out, classes, 1)
    yield f"bilinear/{by(images, classes, out, out)}/{size},{size}"


NETWORKS = {
    "resnet20": lambda: resnet20(128),
    "resnet18": lambda: cifar(32, basic_blocks, 512),
    "resnet50": lambda: cifar(32, bottlenecks, 2048),
    "resnet50-128": lambda: cifar(128, bottlenecks, 2048),
    "resnet50-512": lambda: cifar(512, bottlenecks, 2048),
    "textcnn": lambda: text_cnn(128),
    "deeplabv3": lambda: deeplabv3(2, 256),
    "resnet20-steps": lambda: steps(resnet20(128)),
    "resnet18-steps": lambda: steps(cifar(32, basic_blocks, 512)),
}


# The networks that `compare.py` runs by default.
ON_CPU = ["resnet18", "resnet50", "textcnn", "deeplabv3"]


def apart(items):
    """Yields the same work with batch norm, addition and ReLU as separate operations."""
    for item in items:
        kind, shape, *rest = item.split("/")
        if kind.startswith("batch_norm_"):
            for part in kind.removeprefix("batch_norm_").split("_"):
                yield f"{part}/{shape}"
            item = f"batch_norm/{shape}"
        yield item


def group(item):
    """Returns the kind of layer, as named in the tables."""
    kind = item.split("/")[0]
    names = {"conv": "convolutions", "batch_norm": "batch norm", "relu": "ReLU", "add": "addition", "bilinear": "upsampling", "linear": "linear"}
    names = {"sgd": "SGD", "adamw": "AdamW", "adam": "Adam", "clip": "clipping", **names}
    return next((name for start, name in names.items() if kind.startswith(start)), "pooling")


def operations(item):
    """Returns the floating-point operations of a convolution, forward and backward, by the definition; 0 for other layers."""
    kind, shape, options, *rest = [*item.split("/"), ""]
    if not kind.startswith("conv"):
        return 0
    images, inputs, *sizes = map(int, shape.split("x"))
    outputs, kernel, stride, padding, dilation, groups = map(int, options.split(","))
    count = 2 * images * inputs * outputs // groups
    for size in sizes:
        count *= kernel * ((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1)
    return count * (2 if "first" in rest else 3)
