"""Draw the weights of the ONNX graphs in this folder, whose files hold none.

    python tests/models/materialize.py FOLDER [NAME ...]

copies the graphs, the expected outputs NAME.npz and models.json to FOLDER, and writes NAME.weights beside
each. A weight is drawn from a seed that its name gives. PyTorch computed the outputs, in float32 on a CPU,
for the input `numpy.random.default_rng(0).standard_normal(shape).astype("float32")`; models.json has the
shapes.
"""

import argparse
import json
import shutil
import zlib
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
MODELS = json.loads((HERE / "models.json").read_text())
# Fields of ONNX's messages, by number.
GRAPH, INITIALIZER = 7, 5
DIMS, NAME, RAW_DATA, EXTERNAL_DATA = 1, 8, 9, 13


def draw(name, shape):
    """The weight of a name: normal, with the variance for layers with ReLU."""
    fan_in = max(1, int(np.prod(shape[1:])))
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return (rng.standard_normal(shape) * np.sqrt(2.0 / fan_in)).astype(np.float32)


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def fields(data):
    """The `(number, value)` of a protocol buffer message: integers, and bytes of what has a length."""
    at = 0
    while at < len(data):
        tag, at = varint(data, at)
        kind = tag & 7
        if kind == 0:
            value, at = varint(data, at)
        else:
            size, at = varint(data, at) if kind == 2 else ({1: 8, 5: 4}[kind], at)
            value, at = data[at : at + size], at + size
        yield tag >> 3, value


def initializers(name):
    """`(name, shape, array or None, offset or None)` of each: the array in the graph, or where it lies."""
    graph = dict(fields(memoryview((HERE / f"{name}.onnx").read_bytes())))[GRAPH]
    for number, tensor in fields(graph):
        if number != INITIALIZER:
            continue
        shape, label, raw, offset = [], "", None, None
        for field, value in fields(tensor):
            if field == DIMS:
                shape += [value] if isinstance(value, int) else [v for v, _ in packed(value)]
            elif field == NAME:
                label = bytes(value).decode()
            elif field == RAW_DATA:
                raw = value
            elif field == EXTERNAL_DATA:
                key, text = (bytes(part).decode() for _, part in fields(value))
                offset = int(text) if key == "offset" else offset
        array = None if raw is None else np.frombuffer(raw, np.float32).reshape(shape)
        yield label, tuple(shape), array, offset


def packed(data):
    at = 0
    while at < len(data):
        value, at = varint(data, at)
        yield value, at


def weights(name):
    """The weights of a model by name, drawn or as the graph holds them."""
    return {
        label: draw(label, shape) if array is None else array for label, shape, array, _ in initializers(name)
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(HERE / "models.json", args.folder)
    for name in args.names or MODELS:
        for ending in ("onnx", "npz"):
            shutil.copy(HERE / f"{name}.{ending}", args.folder)
        with open(args.folder / f"{name}.weights", "wb") as file:
            for label, shape, array, offset in initializers(name):
                if array is None:
                    file.seek(offset or 0)
                    file.write(draw(label, shape).tobytes())


if __name__ == "__main__":
    main()
