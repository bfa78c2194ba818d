"""Writes files in torch.save's formats opcode by opcode, so that tests can write what PyTorch never would."""

import io
import pickle
import struct
import zipfile
from collections.abc import Iterable, Mapping

import numpy as np

MARK, STOP, REDUCE, BUILD, PERSID = b"(", b".", b"R", b"b", b"Q"
LEGACY_MAGIC, LEGACY_VERSION = 0x1950A86A20F9469CFC6C, 1001

STORAGE_OF = {
    "bool": "BoolStorage",
    "uint8": "ByteStorage",
    "int8": "CharStorage",
    "int16": "ShortStorage",
    "int32": "IntStorage",
    "int64": "LongStorage",
    "float16": "HalfStorage",
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "complex64": "ComplexFloatStorage",
    "complex128": "ComplexDoubleStorage",
}


def value(v: object) -> bytes:
    """The opcodes that push a plain value; containers take opcodes for their parts as well as values."""
    if isinstance(v, bytes):
        return v
    if v is None:
        return b"N"
    if isinstance(v, bool):
        return b"\x88" if v else b"\x89"
    if isinstance(v, str):
        text = v.encode()
        return b"X" + struct.pack("<I", len(text)) + text
    if isinstance(v, float):
        return b"G" + struct.pack(">d", v)
    if isinstance(v, int):
        body = v.to_bytes(v.bit_length() // 8 + 1, "little", signed=True)
        return b"\x8b" + struct.pack("<I", len(body)) + body
    if isinstance(v, tuple):
        return MARK + b"".join(map(value, v)) + b"t"
    if isinstance(v, list):
        return b"]" + MARK + b"".join(map(value, v)) + b"e"
    if isinstance(v, dict):
        return b"}" + MARK + b"".join(value(k) + value(w) for k, w in v.items()) + b"u"
    raise TypeError(type(v))


def name(module: str, attribute: str) -> bytes:
    return f"c{module}\n{attribute}\n".encode()


def call(function: bytes, *arguments: object) -> bytes:
    return function + value(arguments) + REDUCE


def storage(kind: str, key: object, count: object, *view: object, module: str = "torch") -> bytes:
    return value(("storage", name(module, kind), key, "cpu", count, *view)) + PERSID


def tensor(store: object, offset: object, size: object, stride: object, *metadata: object) -> bytes:
    hooks = call(name("collections", "OrderedDict"))
    return call(
        name("torch._utils", "_rebuild_tensor_v2"), store, offset, size, stride, False, hooks, *metadata
    )


def tensor_v3(store: bytes, offset: int, size: object, stride: object, dtype: str) -> bytes:
    hooks = call(name("collections", "OrderedDict"))
    rebuild = name("torch._utils", "_rebuild_tensor_v3")
    return call(rebuild, store, offset, size, stride, False, hooks, name("torch", dtype))


def float_vector(key: str = "0", count: int = 4) -> bytes:
    return tensor(storage("FloatStorage", key, count), 0, (count,), (1,))


def pickled(body: object) -> bytes:
    return b"\x80\x02" + value(body) + STOP


def archive(
    body: object,
    records: Mapping[str, bytes] | Iterable[tuple[str, bytes]] = (),
    byteorder: bytes | None = b"little",
    prefix: str = "archive/",
    **options: int,
) -> bytes:
    """A zip archive with the pickle of `body` (opcodes, or a value) and `records` below data/."""
    entries = [(f"{prefix}data.pkl", pickled(body))]
    if byteorder is not None:
        entries.append((f"{prefix}byteorder", byteorder))
    items = records.items() if isinstance(records, Mapping) else records
    entries += [(f"{prefix}data/{key}", data) for key, data in items]
    return zipped(entries, **options)


def zipped(entries: Iterable[tuple[str, bytes]], **options: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **options) as out:
        for entry, data in entries:
            out.writestr(entry, data)
    return buffer.getvalue()


def legacy(body: object, storages: Mapping[str, np.ndarray], keys: object = None) -> bytes:
    """The format before 1.6: `storages` as 1-D arrays by key."""
    parts = [pickle.dumps(LEGACY_MAGIC, 2), pickle.dumps(LEGACY_VERSION, 2)]
    parts += [pickle.dumps({"little_endian": True}, 2), pickled(body)]
    parts.append(pickled(list(storages) if keys is None else keys))
    for array in storages.values():
        parts += [struct.pack("<q", array.size), array.astype(array.dtype.newbyteorder("<")).tobytes()]
    return b"".join(parts)
