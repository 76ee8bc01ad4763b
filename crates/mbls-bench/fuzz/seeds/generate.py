"""Writes small files, some of them incomplete, next to this script as the fuzzer's seeds: images of a pattern,
masks of every bit depth, vectors of a few words. It needs only Python's standard library; the committed files were written by Python 3.11."""

import gzip
import pathlib
import struct
import zlib

HERE = pathlib.Path(__file__).parent


def write(target, name, *parts):
    folder = HERE / target
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"".join(parts))


def pixels(count):
    """Returns a pattern that compresses well and is in no data set."""
    return bytes(i // 32 % 8 * 16 + i % 4 for i in range(count))


def packed(content):
    return gzip.compress(content, mtime=0)


def cifar():
    """The first byte: the format, plus 3 times the index of the number of records in the target's list."""
    image = pixels(3072)
    write("cifar", "10-one", bytes([0, 9]), image)
    write("cifar", "10-two-expected", bytes([6, 0]), image, bytes([3]), image)
    write("cifar", "100-coarse", bytes([1, 19, 99]), image)
    write("cifar", "100-fine-expected", bytes([5, 4, 50]), image)


def idx():
    """The first byte: how the labels are written, plus 4 times how the images are; then the size of the label file."""
    labels = struct.pack(">4BI", 0, 0, 8, 1, 2) + bytes([3, 9])
    images = struct.pack(">4B3I", 0, 0, 8, 3, 2, 28, 28) + pixels(2 * 784)

    def seed(name, ways, labels, images):
        write("idx", name, struct.pack(">BH", ways[0] + 4 * ways[1], len(labels)), labels, images)

    seed("plain", (0, 0), labels, images)
    seed("packed", (1, 1), packed(labels), packed(images))
    seed("packed-by-the-target", (2, 3), labels, images)
    seed("cut-off", (0, 2), labels[:9], images)
    seed("no-records", (0, 0), struct.pack(">4BI", 0, 0, 8, 1, 0), struct.pack(">4B3I", 0, 0, 8, 3, 0, 28, 28))


def mat5():
    def element(order, kind, content):
        return struct.pack(order + "2I", kind, len(content)) + content + bytes(-len(content) % 8)

    def array(order, kind, sizes, name, values):
        parts = [
            element(order, 6, struct.pack(order + "2I", kind, 0)),
            element(order, 5, struct.pack(f"{order}{len(sizes)}I", *sizes)),
            element(order, 1, name),
            element(order, 9 if kind == 6 else 2, values),
        ]
        return element(order, 14, b"".join(parts))

    def zipped(element):
        content = zlib.compress(element, 9)
        # A compressed element has no padding.
        return struct.pack("<2I", 15, len(content)) + content

    def header(order):
        return b"MATLAB 5.0 MAT-file".ljust(124) + struct.pack(order + "2H", 0x100, 0x4D49)

    doubles, octets = 6, 9
    for order, name in [("<", "little"), (">", "big")]:
        image = array(order, octets, [32, 32, 3], b"X", pixels(3072))
        write("mat5", f"{name}-double", header(order), image, array(order, doubles, [1, 1], b"y", struct.pack(order + "d", 10)))
        label = array(order, octets, [1, 1], b"y", bytes([7]))
        other = array(order, doubles, [1, 1], b"other", bytes(8))
        write("mat5", f"{name}-one-behind-others", header(order), other, label, image, other)
    images = zipped(array("<", octets, [32, 32, 3, 2], b"X", pixels(2 * 3072)))
    labels = zipped(array("<", octets, [2, 1], b"y", bytes([1, 9])))
    write("mat5", "packed", header("<"), labels, images)


def masks():
    """The first byte: whether the target builds the file. Then the file, or bit depth and colours, width, height, entries of the palette, where
    the data is split, and rows."""

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    def file(bits, colours, interlace, rows):
        parts = [chunk(b"IHDR", struct.pack(">2I5B", 9, 5, bits, colours, 0, 0, interlace))]
        if colours == 3:
            parts.append(chunk(b"PLTE", bytes([1, 2, 3]) * 2**bits))
        parts += [chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts)

    for place, bits in enumerate([1, 2, 4, 8]):
        width = -(-9 * bits // 8)
        # Each row starts with its filter.
        rows = b"".join(bytes([y]) + pixels(width) for y in range(5))
        for colours, name in [(3, "palette"), (0, "grey")]:
            write("masks", f"{name}-{bits}", bytes([0]), file(bits, colours, 0, rows))
        write("masks", f"made-palette-{bits}", bytes([1, place, 11, 3, 2, 5]), pixels(33))
    # Seven images of 2x1, 1x1, 3x1, 2x2, 5x1, 4x3 and 9x2 pixels.
    sizes = [(2, 1), (1, 1), (3, 1), (2, 2), (5, 1), (4, 3), (9, 2)]
    rows = b"".join((b"\0" + pixels(width)) * height for width, height in sizes)
    write("masks", "interlaced", bytes([0]), file(8, 3, 1, rows))
    write("masks", "made-grey-8", bytes([1, 7, 4, 4, 0, 0]), pixels(16))


def glove():
    """The first byte: the index of the dimension in the target's list, plus 7 if the target compresses the file."""
    lines = b"the 0.5 -1 2e-1\nfox 1 2 3\n. . . 7 8 9\nthe 4 4 4\nxyz 1 2 3\n"
    write("glove", "first-line-decides", bytes([0]), lines)
    write("glove", "expected", bytes([3]), lines)
    write("glove", "packed-by-the-target", bytes([7]), lines)
    write("glove", "packed", bytes([0]), packed(lines))
    write("glove", "word2vec", bytes([2]), b"2 2\r\n. . 1 2 \r\n7 3 4\r\n")
    write("glove", "not-finite", bytes([2]), "é nan 1\na inf 2".encode())


for make in (cifar, idx, mat5, masks, glove):
    make()
