"""Torch files that PyTorch never wrote: nothing is executed, memory stays bounded, the reason is given."""

import io
import os
import pathlib
import tracemalloc
from collections.abc import Iterator

import numpy as np
import pytest
import rsconv
from rsconv._torch_file import limits
from rsconv.errors import WeightsError
from torch_files import (
    BUILD,
    REDUCE,
    archive,
    call,
    float_vector,
    legacy,
    name,
    pickled,
    storage,
    tensor,
    value,
)

FOUR = {"0": np.arange(4, dtype="<f4").tobytes()}
MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def nothing_is_written(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    yield
    assert os.listdir(tmp_path) == []


def refuse(data: bytes, message: str, megabytes: int = 16) -> None:
    """Assert that `data` is refused with `message`, without allocating more than `megabytes`."""
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=message):
            rsconv.load(io.BytesIO(data))
        assert tracemalloc.get_traced_memory()[1] < megabytes * MEGABYTE
    finally:
        tracemalloc.stop()


EVIL = [
    ("os", "system"),
    ("posix", "system"),
    ("subprocess", "Popen"),
    ("builtins", "eval"),
    ("builtins", "getattr"),
    ("builtins", "object"),
    ("functools", "partial"),
    ("operator", "attrgetter"),
    ("collections", "namedtuple"),
    ("collections", "OrderedDict.update"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes"),
    ("torch._utils", "__builtins__"),
    ("numpy", "load"),
    ("numpy.core.multiarray", "fromfile"),
    ("rsconv.io", "save"),
    ("", ""),
]


@pytest.mark.parametrize(("module", "attribute"), EVIL)
def test_other_globals_are_refused_by_name(module: str, attribute: str) -> None:
    escaped = f"{module}.{attribute}".replace(".", r"\.")
    message = f"the pickle names '{escaped}'; refused, because nothing in a file is executed"
    argument = "open('PWNED', 'w')"
    refuse(archive({"w": float_vector(), "x": call(name(module, attribute), argument)}, FOUR), message)
    refuse(archive(value(module) + value(attribute) + b"\x93" + value((argument,)) + REDUCE), message)
    refuse(archive(b"(" + value(argument) + b"i" + f"{module}\n{attribute}\n".encode()), message)
    # Named only, neither called nor in the result.
    refuse(archive(name(module, attribute) + b"0" + value(1)), message)
    refuse(legacy(call(name(module, attribute), argument), {}), message)
    # Before the object proper, too.
    refuse(pickled(call(name(module, attribute), argument)), message)


def test_a_refusal_lists_all_names_briefly() -> None:
    body = b"".join(name("m", f"C{i}") for i in range(20))
    refuse(archive(body + name("__builtin__", "set")), r"names 'm\.C0', .*'m\.C7' and 12 more; refused")
    refuse(archive(name("m" * 1000, "x")), r"names 'm{100}'; refused")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            tensor(storage("QInt8Storage", "0", 4), 0, (4,), (1,)),
            r"'torch\.QInt8Storage': quantized .*dequantize",
        ),
        (
            call(name("torch._utils", "_rebuild_qtensor")),
            r"'torch\._utils\._rebuild_qtensor': quantized tensors",
        ),
        (name("torch", "quint8"), r"'torch\.quint8': quantized tensors are not read"),
        (
            call(name("torch._utils", "_rebuild_sparse_tensor")),
            r"sparse tensors are not read; save their to_dense",
        ),
        (call(name("torch._utils", "_rebuild_nested_tensor")), r"nested tensors are not read"),
        (call(name("torch._utils", "_rebuild_meta_tensor_no_storage")), r"device 'meta' have no values"),
        (name("torch", "float4_e2m1fn_x2"), r"packed 4-bit floats are not read"),
    ],
)
def test_other_kinds_of_tensors_are_refused_by_name(body: bytes, message: str) -> None:
    refuse(archive(body, FOUR), message)


@pytest.mark.parametrize(
    ("opcode", "label"),
    [
        (b"\x81", "NEWOBJ"),
        (b"\x92", "NEWOBJ_EX"),
        (b"o", "OBJ"),
        (b"\x82\x01", "EXT1"),
        (b"Pstorage\n", "PERSID"),
        (b"\x97", "NEXT_BUFFER"),
        (b"\x98", "READONLY_BUFFER"),
    ],
)
def test_opcodes_that_make_objects_are_refused(opcode: bytes, label: str) -> None:
    body = b"(" + name("collections", "OrderedDict") + value(()) + opcode
    refuse(archive(body), f"the opcode {label}, which torch.save does not write")


def test_instances_are_refused() -> None:
    refuse(archive(b"(icollections\nOrderedDict\n"), r"makes an instance of 'collections\.OrderedDict'")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (call(value("os.system"), "x"), r"calls 'str', which is not a function that tensors need"),
        (call(name("torch", "float32")), r"calls '.*Float32DType'"),
        (call(name("torch", "FloatStorage"), 4), r"calls 'torch\.FloatStorage', which is not"),
        (call(name("torch", "Tensor"), 4), r"calls 'torch\.Tensor', which is not"),
        (call(float_vector()), r"calls 'ndarray'"),
        (name("torch", "Size") + value([1]) + REDUCE, r"calls 'torch\.Size' without a tuple of arguments"),
        (call(name("torch", "Size"), 1, 2, 3), r"calls 'torch\.Size' with wrong arguments"),
        (call(name("torch", "Size"), (1, "x")), r"a tensor's size holds 'x'"),
        (call(name("torch", "device"), 3.5), r"a device is 3\.5, None"),
        (call(name("collections", "OrderedDict"), [1]), r"an OrderedDict is made of what are not pairs"),
        (call(name("collections", "OrderedDict"), {}), r"a container is made of a dict"),
        (call(name("collections", "Counter"), [1]), r"a Counter is made of a list"),
        (call(name("builtins", "complex"), "1", 2.0), r"a complex number is made of '1' and 2\.0"),
        (call(name("_codecs", "encode"), "x", "rot13"), r"bytes are made of 'x' in the encoding 'rot13'"),
        (call(name("_codecs", "encode"), "ж", "latin1"), r"bytes are made of text that is not Latin-1"),
        (call(name("torch._utils", "_rebuild_parameter"), [], True, None), r"a Parameter's data is a list"),
        (
            call(
                name("torch._tensor", "_rebuild_from_type_v2"),
                name("torch", "Size"),
                name("torch", "Tensor"),
                (),
                0,
            ),
            r"a tensor of the class torch\.Tensor is not read",
        ),
        (
            call(
                name("torch._tensor", "_rebuild_from_type_v2"),
                name("torch", "device"),
                name("torch", "device"),
                (),
                0,
            ),
            r"a tensor of the class torch\.device is not read",
        ),
    ],
)
def test_calls_with_wrong_arguments(body: bytes, message: str) -> None:
    refuse(archive(body, FOUR), message)


def build(target: bytes, state: object) -> bytes:
    return target + value(state) + BUILD


ORDERED = call(name("collections", "OrderedDict"))
RECONSTRUCT = call(name("numpy._core.multiarray", "_reconstruct"), name("numpy", "ndarray"), (0,), "b")
FLOAT64 = build(call(name("numpy", "dtype"), "f8", False, True), (3, "<", None, None, None, -1, -1, 0))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (build(value({}), {"a": 1}), r"sets the state of a dict, which has none"),
        (build(value([]), {}), r"sets the state of a list"),
        (build(float_vector(), (1, (4,), FLOAT64, False, "x")), r"sets the state of a ndarray"),
        (build(name("torch", "Tensor"), {"__class__": 1}), r"sets the state of a Global"),
        (build(name("collections", "OrderedDict"), {"x": 1}), r"sets the state of a Global"),
        (build(name("torch", "FloatStorage"), (None, {"element": 1})), r"sets the state of a StorageType"),
        (build(ORDERED, {"items": 1}), r"gives a dictionary the attribute 'items'; only _metadata is known"),
        (build(ORDERED, {"__class__": name("torch", "Tensor")}), r"the attribute '__class__'"),
        (build(ORDERED, (None, {"_metadata": {}})), r"the attribute a tuple"),
        (build(ORDERED, {"_metadata": 3}), r"a _metadata that is none itself"),
    ],
)
def test_state_of_other_objects_is_refused(body: bytes, message: str) -> None:
    refuse(archive(body, FOUR), message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (call(name("numpy", "dtype"), "O8"), r"NumPy values of dtype 'O8'; only numbers and bools"),
        (call(name("numpy", "dtype"), "V8"), r"dtype 'V8'"),
        (call(name("numpy", "dtype"), ((1,),)), r"dtype a tuple"),
        (build(call(name("numpy", "dtype"), "f8"), (3, "!", None)), r"dtype float64 the byte order '!'"),
        (build(call(name("numpy", "dtype"), "f8"), 7), r"the byte order 7"),
        (
            call(name("numpy.core.multiarray", "scalar"), FLOAT64, b"C\x03abc"),
            r"1 NumPy values of dtype float64, and 3",
        ),
        (call(name("numpy.core.multiarray", "scalar"), FLOAT64, "text"), r"and a str for them"),
        (
            call(name("numpy.core.multiarray", "scalar"), "f8", b"C\x00"),
            r"a NumPy scalar whose dtype is a str",
        ),
        (
            call(name("numpy.core.multiarray", "_reconstruct"), name("torch", "Tensor"), (0,)),
            r"a class other than",
        ),
        (
            build(RECONSTRUCT, (1, (2,), FLOAT64, False, b"C\x08abcdefgh")),
            r"2 NumPy values of dtype float64, and 8",
        ),
        (build(RECONSTRUCT, (1, (2**40,), FLOAT64, False, b"C\x00")), r"1099511627776 NumPy values"),
        (build(RECONSTRUCT, (1, (-1,), FLOAT64, False, b"C\x00")), r"a tensor's size holds -1"),
        (build(RECONSTRUCT, (1, (0,), "O", False, [])), r"a NumPy array whose state is malformed"),
        (build(RECONSTRUCT, 5), r"a NumPy array whose state is malformed"),
        (
            build(
                build(RECONSTRUCT, (1, (1,), FLOAT64, False, b"C\x08abcdefgh")),
                (1, (0,), FLOAT64, False, b"C\x00"),
            ),
            r"sets the state of a ndarray",
        ),
        (call(name("numpy", "dtype"), "f8"), r"a numpy\.dtype stands where a value belongs"),
    ],
)
def test_numpy_values_that_are_refused(body: bytes, message: str) -> None:
    refuse(archive(body), message)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"h\x05", r"its memo has no entry 5"),
        (b"t", r"a mark is missing"),
        (b"0", r"a mark is missing"),
        (b"\x86", r"its stack is empty"),
        (b"", r"its stack is empty"),
        (value(1) + value(2) + b"a", r"APPEND on int"),
        (value(()) + value(2) + b"a", r"APPEND on tuple"),
        (value(1) + b"(" + value("k") + value("v") + b"u", r"SETITEM on int"),
        (value({}) + b"(" + value("k") + b"u", r"a key without a value"),
        (float_vector() + b"(" + value(0) + value(9.0) + b"u", r"SETITEM on ndarray"),
        (value([]) + b"(" + value(0) + b"\x90", r"ADDITEMS on list"),
        (value(1) + value(2) + b"\x93", r"a global whose name is not a string"),
        (b"U\x01\xff", r"a string that Python 2 wrote is not UTF-8"),
        (b"X\xff\xff\xff\xffabc", r"the pickle is malformed: expected 4294967295 bytes"),
        (b"\x8e" + b"\xff" * 7 + b"\x00", r"the pickle is malformed"),
        (b"\xff", r"the pickle is malformed: at position 2, opcode b'\\xff' unknown"),
        (b"I99x\n", r"the pickle is malformed"),
    ],
)
def test_malformed_pickles(body: bytes, message: str) -> None:
    refuse(archive(body, FOUR), message)


def test_a_memo_index_costs_nothing() -> None:
    data = archive(value(7) + b"r\xff\xff\xff\x7f" + b"0" + b"j\xff\xff\xff\x7f")
    tracemalloc.start()
    assert rsconv.load(io.BytesIO(data)) == 7
    assert tracemalloc.get_traced_memory()[1] < MEGABYTE
    tracemalloc.stop()


DEEP = 50_000


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"]" * DEEP + b"a" * (DEEP - 1), r"nested more than 200 deep"),
        (b")" + b"\x85" * DEEP, r"nested more than 200 deep"),
        (b"}N" * DEEP + b"N" + b"s" * DEEP, r"nested more than 200 deep"),
        (b"}" + b")" + b"\x85" * 3 * DEEP + b"Ns", r"a dictionary key is a long or nested tuple"),
        (b"}" + value((1,) * 17) + b"Ns", r"a dictionary key is a long or nested tuple"),
        (b"}" + value(((1,), 2)) + b"Ns", r"a dictionary key is a long or nested tuple"),
        (b"}" + value([]) + b"Ns", r"a dictionary key is a list"),
        (b"}" + float_vector() + b"Ns", r"a dictionary key is a ndarray"),
        (b"}" + value(2**100) + b"Ns", r"a dictionary key is an integer of 101 bits"),
        (value(2**300), r"an integer of 301 bits"),
        (call(name("builtins", "set"), [[]]), r"a dictionary key is a list"),
        (b"(]\x91", r"a dictionary key is a list"),
        (b"]q\x00h\x00a", r"a list contains itself"),
        (b"]q\x00}X\x01\x00\x00\x00ah\x00s" + b"a", r"contains itself"),
        (value([1]) + b"q\x00" + b"h\x00h\x00\x86q\x00" * 100, r"unfold to more than 50000000 items"),
        (storage("FloatStorage", "0", 4), r"a storage '0' stands where a value belongs"),
        (name("torch", "Tensor"), r"a torch\.Tensor stands where a value belongs"),
        ({"a": [name("torch", "FloatStorage")]}, r"a torch\.FloatStorage stands where"),
    ],
)
def test_structures_that_no_checkpoint_has(body: object, message: str) -> None:
    refuse(archive(body, FOUR), message, megabytes=32)


@pytest.mark.parametrize(
    "repeated",
    [
        name("builtins", "set") + b"h\x00\x85R0",
        name("_codecs", "encode") + b"h\x01X\x06\x00\x00\x00latin1\x86R0",
        name("torch", "Size") + b"h\x02\x85R0",
        tensor(b"h\x03", 0, (1000,), (1,), {"conj": True}) + b"0",
    ],
    ids=["set", "bytes", "size", "conjugate"],
)
def test_copies_are_bounded_in_sum(repeated: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_STEPS", 50_000)
    large = value(list(range(1000))) + b"q\x00" + value("x" * 100_000) + b"q\x01" + value((1, 2)) + b"q\x02"
    large += storage("FloatStorage", "0", 1000) + b"q\x03"
    records = {"0": bytes(4000)}
    rsconv.load(io.BytesIO(archive(large + repeated * 10 + value(1), records)))
    refuse(
        archive(large + repeated * 3500 + value(1), records), r"more steps or copies than any real checkpoint"
    )
