"""Compares the conversion of the messages of 20 Newsgroups to padded rows of ids with Keras' tokenizer, alternately (A B A B): times and ratios.

    pip install Keras-Preprocessing==1.1.2 "numpy<2"
    python crates/mbls-nlp/benches/compare_tokenize.py 20_newsgroups.tar.gz [--rounds 3] [--threads 2] [--num-words 2000] [--length 1000]

Run it in the folder of the workspace on an otherwise idle machine. Ours is the benchmark `tokenize`, built before the first round; the
peer is the published code: Tokenizer, fit_on_texts, texts_to_sequences, pad_sequences. `memory` starts with the texts in memory, `archive` with the
compressed file, which the peer reads with tarfile. Before times are printed, the words with their counts, the sequences and the rows of both are compared byte by byte.
"""
import argparse
import filecmp
import json
import pathlib
import statistics
import sys
import tarfile
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "scripts"))
import beside_pytorch


def run_keras(file, num_words, length, out):
    import numpy as np
    from keras_preprocessing.sequence import pad_sequences
    from keras_preprocessing.text import Tokenizer

    clock = [time.perf_counter()]
    messages = {}
    with tarfile.open(file) as archive:
        for member in archive:
            if member.isfile():
                messages[tuple(member.name.split("/"))] = archive.extractfile(member).read()
    texts = []
    for name in sorted(messages):
        # Decoded like open(file, encoding="latin-1").
        text = messages[name].decode("latin-1").replace("\r\n", "\n").replace("\r", "\n")
        blank = text.find("\n\n")
        texts.append(text[blank:] if 0 < blank else text)
    clock.append(time.perf_counter())
    tokenizer = Tokenizer(num_words=num_words)
    tokenizer.fit_on_texts(texts)
    clock.append(time.perf_counter())
    sequences = tokenizer.texts_to_sequences(texts)
    clock.append(time.perf_counter())
    rows = pad_sequences(sequences, maxlen=length)
    clock.append(time.perf_counter())
    if out:
        out = pathlib.Path(out)
        words = "".join(f"{word}\t{tokenizer.word_counts[word]}\n" for word in tokenizer.word_index)
        (out / "words.tsv").write_bytes(words.encode())
        (out / "sequences.bin").write_bytes(b"".join(np.array([len(s), *s], "<u4").tobytes() for s in sequences))
        (out / "rows.bin").write_bytes(rows.astype("<u4").tobytes())
    steps = dict(zip(["read", "count", "encode", "pad"], (b - a for a, b in zip(clock, clock[1:]))))
    totals = {"memory": clock[-1] - clock[1], "archive": clock[-1] - clock[0]}
    print(json.dumps({"texts": len(texts), "ids": num_words} | steps | totals))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--num-words", type=int, default=2000)
    parser.add_argument("--length", type=int, default=1000)
    parser.add_argument("--profile", help="cargo profile; by default that of benchmarks")
    parser.add_argument("--program", help="an existing build of the benchmark `tokenize`")
    parser.add_argument("--keras", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--out", default="", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.keras:
        return run_keras(arguments.file, arguments.num_words, arguments.length, arguments.out)
    program = arguments.program or beside_pytorch.build("mbls-nlp", "tokenize", profile=arguments.profile)
    settings = [arguments.file, str(arguments.num_words), str(arguments.length), str(arguments.threads)]
    keras = [sys.executable, __file__, arguments.file, "--num-words", settings[1], "--length", settings[2], "--keras"]
    with tempfile.TemporaryDirectory() as folder:
        folders = [pathlib.Path(folder) / side for side in ("ours", "keras")]
        for path in folders:
            path.mkdir()
        beside_pytorch.run([program, *settings, str(folders[0])])
        beside_pytorch.run([*keras, "--out", str(folders[1])])
        files = ["words.tsv", "sequences.bin", "rows.bin"]
        same, different, missing = filecmp.cmpfiles(*folders, files, shallow=False)
        if different or missing:
            sys.exit(f"not the same: {different + missing}")
        print(f"the same: {', '.join(f'{name} ({(folders[0] / name).stat().st_size} bytes)' for name in same)}")
    seen = {"ours": [], "keras": []}
    for _ in range(arguments.rounds):
        seen["ours"].append(beside_pytorch.run([program, *settings]))
        seen["keras"].append(beside_pytorch.run(keras))
    print("| step | ours, s | keras, s | ratio |\n|---|---:|---:|---:|")
    for step in ["read", "count", "encode", "pad", "memory", "archive"]:
        ours, keras = (statistics.median(run[step] for run in seen[side]) for side in ("ours", "keras"))
        print(f"| {step} | {ours:.3f} | {keras:.3f} | {keras / ours:.1f} |")


if __name__ == "__main__":
    main()
