"""Files of torch.save: what valid ones yield. The oracles are what PyTorch wrote, and pickle."""

import io
import json
import os
import pathlib
import pickle
import struct
import zipfile
from collections import Counter, OrderedDict

import numpy as np
import pytest
import rsconv
from hypothesis import given, settings
from hypothesis import strategies as st
from rsconv.errors import WeightsError
from torch_files import (
    STORAGE_OF,
    archive,
    call,
    float_vector,
    legacy,
    name,
    storage,
    tensor,
    tensor_v3,
    zipped,
)

GOLDEN = pathlib.Path(__file__).parent / "golden" / "pt"
INDEX = json.loads((GOLDEN / "index.json").read_text())
# expected.npz has the values of these files' tensors from after the training step that checkpoint.pth shows,
# whereas the files were written before it: their records hold other bytes.
WRITTEN_BEFORE_TRAINING = ("state_dict.pt", "legacy.pt")


def load_bytes(data: bytes) -> object:
    return rsconv.load(io.BytesIO(data))


def leaves(node: object, path: tuple[str, ...] = ()) -> dict[str, np.ndarray]:
    """The arrays of a nested structure under the paths of expected.npz."""
    if isinstance(node, np.ndarray):
        return {"/".join(path): node}
    pairs = (
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    )
    found: dict[str, np.ndarray] = {}
    for key, child in pairs:
        found |= leaves(child, (*path, str(key)))
    return found


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    assert type(got) is np.ndarray
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.tobytes() == expected.tobytes()


def expected_of(file: str) -> dict[str, np.ndarray]:
    with np.load(GOLDEN / "expected.npz") as stored:
        expected = {key.partition(":")[2]: stored[key] for key in stored.files if key.startswith(f"{file}:")}
    if file in WRITTEN_BEFORE_TRAINING:
        # Each tensor has a storage of its own, in order and contiguous.
        with zipfile.ZipFile(GOLDEN / "state_dict.pt") as records:
            for i, (key, after) in enumerate(expected.items()):
                raw = records.read(f"state_dict/data/{i}")
                expected[key] = np.frombuffer(raw, after.dtype).reshape(after.shape)
    return expected


@pytest.mark.parametrize("file", [file for file, entry in INDEX.items() if not entry.get("refuse")])
@pytest.mark.parametrize("as_path", [True, False])
def test_golden_file_loads(file: str, as_path: bool) -> None:
    loaded = rsconv.load(GOLDEN / file) if as_path else load_bytes((GOLDEN / file).read_bytes())
    got, expected = leaves(loaded), expected_of(file)
    if file == "numpy_scalars.pt":
        assert_same(got.pop("arr"), np.arange(3.0))
    assert list(got) == list(INDEX[file]["tensors"]) == list(expected)
    for key, array in got.items():
        dtype, shape = INDEX[file]["tensors"][key]
        assert (str(array.dtype), list(array.shape)) == (dtype, shape)
        assert_same(array, expected[key])
        assert array.flags.writeable


REASONS = {
    "module.pt": r"'torch\.nn\.modules\.container\.Sequential'.*'torch\.nn\.modules\.conv\.Conv2d'.*"
    r"'torch\.nn\.modules\.linear\.Linear'.*save its state_dict\(\)",
    "evil.pt": r"'posix\.system'; refused, because nothing in a file is executed",
    "evil_legacy.pt": r"'builtins\.eval'; refused",
    "truncated.pt": r"the zip archive is truncated or broken: File is not a zip file",
    "empty.pt": r"the file is empty \(0 bytes\)",
    "text.pt": r"torch\.save did not write it: it begins with b'hello world",
    "html.pt": r"not a weights file but an HTML or XML page.*<!DOCTYPE html>",
    "missing_storage.pt": r"the zip archive has no record 'state_dict/data/0'",
    "short_storage.pt": r"the record 'data/0' has 8 bytes, its tensors need 864",
    "no_pickle.pt": r"no record data\.pkl; torch\.save did not write it \('state_dict/\.format_version'",
    "huge_sizes.pt": r"size \(8, 1099511627776, 3, 3\).*reaches element 9895604650172 of storage '0'.* 216 ",
}


@pytest.mark.parametrize("file", [file for file, entry in INDEX.items() if entry.get("refuse")])
def test_golden_file_is_refused(file: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=REASONS[file]) as caught:
        rsconv.load(GOLDEN / file)
    assert str(GOLDEN / file) in str(caught.value)
    assert os.listdir(tmp_path) == []


def test_the_reasons_cover_the_refused_golden_files() -> None:
    assert set(REASONS) == {file for file, entry in INDEX.items() if entry.get("refuse")}


def test_checkpoint_keeps_its_structure() -> None:
    loaded = rsconv.load(GOLDEN / "checkpoint.pth", map_location="cuda:0", weights_only=True)
    assert type(loaded["model"]) is OrderedDict
    assert loaded["model"]._metadata["1"] == {"version": 2}
    group = loaded["optimizer"]["param_groups"][0]
    assert (group["betas"], group["params"], group["fused"]) == ((0.9, 0.999), list(range(8)), None)
    del loaded["model"], loaded["optimizer"]
    arguments = {"lr": 0.1, "size": (3, 224), "device": "cpu", "dtype": np.dtype("float16"), "shape": (1, 2)}
    assert loaded == {
        "epoch": 7,
        "best": 0.93,
        "name": "resnet",
        "args": arguments,
        "none": None,
        "flag": True,
        "history": [1.0, 2.5],
    }


def test_numpy_values_load() -> None:
    loaded = rsconv.load(GOLDEN / "numpy_scalars.pt")
    assert (loaded["acc"], type(loaded["acc"])) == (0.5, np.float64)
    assert (loaded["n"], type(loaded["n"])) == (3, np.int64)


def test_views_keep_strides_and_share_memory() -> None:
    loaded = rsconv.load(GOLDEN / "strides.pt")
    assert loaded["transposed"].strides == (4, 16)
    assert loaded["expanded"].strides == (0, 4)
    assert loaded["channels_last"].strides == (240, 4, 60, 12)
    loaded["base"][5] = 99
    assert loaded["tail"][0] == 99
    tied = rsconv.load(GOLDEN / "tied.pt")
    tied["a.weight"][0, 0] = 42
    assert tied["b.weight"][0, 0] == 42


@given(
    st.sampled_from(sorted(STORAGE_OF)),
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), max_size=4),
    st.integers(0, 3),
    st.sampled_from([b"little", b"big", None]),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_view_of_any_dtype(
    dtype: str, axes: list[tuple[int, int]], offset: int, byteorder: bytes | None, old: bool
) -> None:
    shape, strides = tuple(n for n, _ in axes), tuple(step for _, step in axes)
    count = offset + 1 + sum(max(n - 1, 0) * step for n, step in axes)
    base = np.random.default_rng(count).integers(0, 2, count).astype(dtype)
    if dtype != "bool":
        base = (base + np.arange(count)).astype(dtype)
    body = {
        "x": tensor(storage(STORAGE_OF[dtype], "0", count, *([None] if old else [])), offset, shape, strides)
    }
    order = ">" if byteorder == b"big" else "<"
    data = (
        legacy(body, {"0": base})
        if old
        else archive(body, {"0": base.astype(base.dtype.newbyteorder(order)).tobytes()}, byteorder)
    )
    in_bytes = [step * base.itemsize for step in strides]
    expected = np.lib.stride_tricks.as_strided(base[offset:], shape, in_bytes)
    assert_same(load_bytes(data)["x"], expected)


def read_bfloat16(code: int) -> float:
    return struct.unpack("<f", struct.pack("<I", code << 16))[0]


def read_float8(code: int, exponent_bits: int, bias: int) -> float:
    """An ordinary value of an 8-bit float, from its definition in binary digits."""
    digits = f"{code:08b}"
    exponent, fraction = int(digits[1 : 1 + exponent_bits], 2), digits[1 + exponent_bits :]
    lead = 1 if exponent else 0
    significand = lead + sum(int(digit) * 2.0 ** -(i + 1) for i, digit in enumerate(fraction))
    return (-1) ** int(digits[0]) * significand * 2.0 ** (max(exponent, 1) - bias)


# dtype: exponent bits, bias, code of the largest finite value, that value, codes of NaNs, code of +inf
FLOAT8 = {
    "float8_e4m3fn": (4, 7, 0x7E, 448.0, (0x7F, 0xFF), None),
    "float8_e5m2": (5, 15, 0x7B, 57344.0, (0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF), 0x7C),
    "float8_e4m3fnuz": (4, 8, 0x7F, 240.0, (0x80,), None),
    "float8_e5m2fnuz": (5, 16, 0x7F, 57344.0, (0x80,), None),
}
SAFETENSORS_FLOAT8 = {
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "float8_e4m3fnuz": "F8_E4M3FNUZ",
    "float8_e5m2fnuz": "F8_E5M2FNUZ",
}


def safetensors_file(code: str, shape: list[int], data: bytes) -> bytes:
    header = json.dumps({"x": {"dtype": code, "shape": shape, "data_offsets": [0, len(data)]}}).encode()
    return struct.pack("<Q", len(header)) + header + data


@pytest.mark.parametrize("dtype", FLOAT8)
@pytest.mark.parametrize("container", ["torch", "safetensors"])
def test_float8_widens_exactly(dtype: str, container: str) -> None:
    exponent_bits, bias, largest, maximum, nans, infinity = FLOAT8[dtype]
    data = bytes(range(256))
    if container == "torch":
        store = storage("UntypedStorage", "0", 256, module="torch.storage")
        got = load_bytes(archive(tensor_v3(store, 0, (256,), (1,), dtype), {"0": data}))
    else:
        got = load_bytes(safetensors_file(SAFETENSORS_FLOAT8[dtype], [256], data))["x"]
    assert got.dtype == np.float32
    assert got[largest] == np.nanmax(got[np.isfinite(got)]) == maximum
    assert np.flatnonzero(np.isnan(got)).tolist() == list(nans)
    infinities = [] if infinity is None else [infinity, infinity | 0x80]
    assert np.flatnonzero(np.isinf(got)).tolist() == infinities
    finite = np.flatnonzero(np.isfinite(got))
    assert got[finite].tolist() == [read_float8(int(code), exponent_bits, bias) for code in finite]


def test_e8m0_is_a_power_of_two() -> None:
    got = load_bytes(safetensors_file("F8_E8M0", [256], bytes(range(256))))["x"]
    assert (got[0], got[127], got[130]) == (2.0**-127, 1.0, 8.0)
    assert np.isnan(got[255])


@pytest.mark.parametrize("byteorder", [b"little", b"big"])
def test_bfloat16_of_every_code(byteorder: bytes) -> None:
    codes = np.arange(1 << 16)
    raw = codes.astype("<u2" if byteorder == b"little" else ">u2").tobytes()
    body = tensor(storage("BFloat16Storage", "0", 1 << 16), 0, (1 << 16,), (1,))
    got = load_bytes(archive(body, {"0": raw}, byteorder))
    expected = np.array([read_bfloat16(int(code)) for code in codes], np.float32)
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, expected)


def test_bfloat16_in_safetensors() -> None:
    raw = np.array([0x3F80, 0xC000, 0x7F80], "<u2").tobytes()
    assert load_bytes(safetensors_file("BF16", [3], raw))["x"].tolist() == [1.0, -2.0, np.inf]


def test_tied_bfloat16_shares_memory() -> None:
    store = storage("BFloat16Storage", "0", 2)
    body = {"a": tensor(store, 0, (2,), (1,)), "b": tensor(store, 1, (1,), (1,))}
    raw = np.array([0x3F80, 0x4000], "<u2")
    for data in (archive(body, {"0": raw.tobytes()}), legacy(body, {"0": raw})):
        loaded = load_bytes(data)
        assert loaded["b"].tolist() == [2.0]
        loaded["a"][1] = 7
        assert loaded["b"].tolist() == [7.0]


@pytest.mark.parametrize("byteorder", [b"little", b"big"])
def test_complex32_comes_as_complex64(byteorder: bytes) -> None:
    half = np.array([1.5, -2.0, 0.25, np.nan], "<f2" if byteorder == b"little" else ">f2")
    half.view("u1")[7 if byteorder == b"little" else 6] = 0x7D  # A signalling NaN, which must not warn.
    store = storage("UntypedStorage", "0", 8, module="torch.storage")
    got = load_bytes(archive(tensor_v3(store, 0, (2,), (1,), "complex32"), {"0": half.tobytes()}, byteorder))
    assert got.dtype == np.complex64
    assert got[0] == 1.5 - 2j
    assert got[1].real == 0.25


@pytest.mark.parametrize("dtype", ["uint16", "uint32", "uint64"])
def test_dtypes_with_untyped_storages(dtype: str) -> None:
    base = np.arange(5, dtype=dtype) + np.iinfo(dtype).max - 4
    store = storage("UntypedStorage", "0", base.nbytes, module="torch.storage")
    got = load_bytes(archive(tensor_v3(store, 1, (2,), (2,), dtype), {"0": base.tobytes()}))
    assert_same(got, base[1:4:2].copy())


def test_bool_bytes_become_true_or_false() -> None:
    body = tensor(storage("BoolStorage", "0", 3), 0, (3,), (1,))
    got = load_bytes(archive(body, {"0": b"\x00\x01\x02"}))
    assert got.view(np.uint8).tolist() == [0, 1, 1]
    got = load_bytes(safetensors_file("BOOL", [3], b"\x00\x01\x02"))["x"]
    assert got.view(np.uint8).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("bits", "expected"),
    [
        ({}, 1 + 2j),
        ({"conj": True}, 1 - 2j),
        ({"neg": True}, -1 - 2j),
        ({"conj": False, "neg": False}, 1 + 2j),
    ],
)
def test_lazy_bits_are_applied(bits: dict[str, bool], expected: complex) -> None:
    raw = np.array([1 + 2j], np.complex64).tobytes()
    body = tensor(storage("ComplexFloatStorage", "0", 1), 0, (), (), bits)
    assert load_bytes(archive(body, {"0": raw})) == expected


def test_other_ways_to_rebuild_a_tensor() -> None:
    parameter = call(
        name("torch._utils", "_rebuild_parameter_with_state"), float_vector(), True, None, {"a": 1}
    )
    oldest = call(name("torch._utils", "_rebuild_tensor"), storage("FloatStorage", "0", 4), 1, (2,), (1,))
    v2 = name("torch._utils", "_rebuild_tensor_v2")
    arguments = (storage("FloatStorage", "0", 4), 0, (1,), (1,), False, None)
    subclass = name("torch.nn.parameter", "Parameter")
    typed = call(name("torch._tensor", "_rebuild_from_type_v2"), v2, subclass, arguments, {"note": "x"})
    raw = np.arange(4, dtype="<f4").tobytes()
    got = load_bytes(archive([parameter, oldest, typed], {"0": raw}))
    assert [array.tolist() for array in got] == [[0, 1, 2, 3], [1, 2], [0]]


def test_values_that_pickle_makes_by_calls() -> None:
    encode = name("_codecs", "encode")
    body = {
        "counter": call(name("collections", "Counter"), {30: 1, 60: 2}),
        "ordered": call(name("collections", "OrderedDict"), [["a", 1], ("b", 2)]),
        "set": call(name("__builtin__", "set"), [1, 2]),
        "frozen": call(name("builtins", "frozenset"), [("a", 3)]),
        "complex": call(name("builtins", "complex"), 1.0, -2.0),
        "bytes": call(encode, "\xff\x00", "latin1"),
        "bytearray": call(name("builtins", "bytearray"), "\xfe", "latin-1"),
        "device": call(name("torch", "device"), "cuda", 1),
        "bfloat16": name("torch", "bfloat16"),
        "long": 2**100,
    }
    got = load_bytes(archive(body))
    assert got == {
        "counter": Counter({30: 1, 60: 2}),
        "ordered": OrderedDict(a=1, b=2),
        "set": {1, 2},
        "frozen": frozenset([("a", 3)]),
        "complex": 1 - 2j,
        "bytes": b"\xff\x00",
        "bytearray": bytearray(b"\xfe"),
        "device": "cuda:1",
        "bfloat16": "bfloat16",
        "long": 2**100,
    }
    assert [type(entry) for entry in got.values()][:4] == [Counter, OrderedDict, set, frozenset]


PLAIN = {
    "text": ["", "é", "\U0001f600", "line\nfeed"],
    "bytes": (b"", b"\x00\xff", b"x" * 300, bytearray(b"ab")),
    "numbers": [0, -1, 255, 65536, -(2**31), 2**40, -(2**70), 1.5, -0.0, float("inf"), 1 - 2j],
    "constants": (None, True, False),
    "sets": [{1, 2}, frozenset(["a"]), set()],
    "tuples": ((), (1,), (1, 2), (1, 2, 3), tuple(range(5))),
    "dicts": [{}, {"a": {"b": []}}, {(1, "x"): 2, None: 3, 1.5: 4}, OrderedDict(z=1, a=2), Counter("abca")],
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_values_of_every_pickle_protocol(protocol: int) -> None:
    got = load_bytes(zipped([("archive/data.pkl", pickle.dumps(PLAIN, protocol))]))
    assert repr(got) == repr(PLAIN)


ARRAYS = [
    np.arange(6, dtype=np.int16).reshape(2, 3),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array(True),
    np.zeros((0, 4), np.complex64),
    np.arange(3, dtype=">f4"),
    np.arange(4, dtype=np.float16)[::2],
    np.float32(0.1),
    np.bool_(True),
    np.complex128(1j),
]


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}-{a.shape}")
def test_numpy_values_of_every_pickle_protocol(array: np.ndarray, protocol: int) -> None:
    got = load_bytes(zipped([("archive/data.pkl", pickle.dumps([array, array], protocol))]))
    for entry in got:
        assert type(entry) is type(array)
        assert entry.shape == array.shape
        assert entry.dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(entry, array)


def test_opcodes_that_pickle_no_longer_writes() -> None:
    # STRING, SHORT_BINSTRING, BINSTRING of Python 2; POP of a value and of a mark; POP_MARK; DUP.
    body = b"S'ab'\nU\x03\xc3\xa9zT\x01\x00\x00\x00!" + b"K\x070" + b"(K\x0100" + b"(K\x05K\x061" + b"K\x092"
    assert load_bytes(archive(b"](" + body + b"e")) == ["ab", "éz", "!", 9, 9]


def test_legacy_storage_views() -> None:
    whole = np.arange(6, dtype=np.float32)
    body = [tensor(storage("FloatStorage", "7", 6, ("view", 2, 3)), 1, (2,), (1,)), float_vector("7", 6)]
    got = load_bytes(legacy(body, {"7": whole}))
    assert got[0].tolist() == [3, 4]
    assert np.shares_memory(*got)


def test_names_of_archives_and_records() -> None:
    raw = {"0": np.arange(4, dtype="<f4").tobytes()}
    for prefix in ("", "a/", "имя/", "x data.pkl y/"):
        assert load_bytes(archive(float_vector(), raw, prefix=prefix)).tolist() == [0, 1, 2, 3]


def test_records_without_checksum_load() -> None:
    data = bytearray(archive(float_vector(), {"0": np.arange(4, dtype="<f4").tobytes()}))
    for signature, at in ((b"PK\x03\x04", 14), (b"PK\x01\x02", 16)):
        place = data.find(signature)
        while place >= 0:
            data[place + at : place + at + 4] = bytes(4)
            place = data.find(signature, place + 1)
    assert load_bytes(bytes(data)).tolist() == [0, 1, 2, 3]
