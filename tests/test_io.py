"""Saving weights, and reading them in the formats of safetensors and NumPy."""

import io
import json
import os
import pathlib
import struct
import subprocess
import sys

import numpy as np
import pytest
import rsconv
from hypothesis import given, settings
from hypothesis import strategies as st
from rsconv.errors import ArgumentError, DtypeError
from torch_files import (
    STORAGE_OF,
)

GOLDEN = pathlib.Path(__file__).parent / "golden" / "pt"


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    assert type(got) is np.ndarray
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.tobytes() == expected.tobytes()


def round_trip_arrays() -> dict[str, np.ndarray]:
    base = np.arange(24, dtype=np.float32).reshape(4, 6)
    arrays = {
        dtype: np.arange(6).reshape(2, 3).astype(dtype) for dtype in STORAGE_OF if dtype != "complex128"
    }
    return arrays | {
        "scalar": np.array(2.5),
        "empty": np.zeros((0, 3), np.int8),
        "transposed": base.T,
        "reversed": base[::-1, ::2],
        "expanded": np.broadcast_to(np.float32(3), (2, 2)),
        "swapped": np.arange(3, dtype=">i4"),
        "file": np.ones(1),
        "allow_pickle": np.ones(2),
        "a/b.npy": np.ones(3),
        "a/b": np.ones(4),
        "": np.ones(5),
        "ключ": np.ones(6),
        "numpy scalar": np.float16(1.5),
    }


@pytest.mark.parametrize("suffix", [".safetensors", ".npz", ".NPZ"])
def test_round_trip(suffix: str, tmp_path: pathlib.Path) -> None:
    arrays = round_trip_arrays()
    path = tmp_path / f"weights{suffix}"
    rsconv.save(arrays, path)
    assert os.listdir(tmp_path) == [path.name]
    got = rsconv.load(str(path))
    assert set(got) == set(arrays)
    for key, array in arrays.items():
        native = np.asarray(array)
        assert_same(got[key], native.astype(native.dtype.newbyteorder("=")))
        assert got[key].flags.writeable


@pytest.mark.parametrize("format_", ["safetensors", "npz"])
def test_round_trip_through_a_file_object(format_: str) -> None:
    for arrays in ({"w": np.arange(3.0)}, {}):
        buffer = io.BytesIO()
        rsconv.save(arrays, buffer, format=format_)
        path_like = io.BytesIO(buffer.getvalue())
        path_like.name = f"x.{format_}"
        got = rsconv.load(path_like)
        assert {key: array.tolist() for key, array in got.items()} == {
            k: a.tolist() for k, a in arrays.items()
        }


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), st.integers(0, 3)
    )
)
@settings(max_examples=50, deadline=None)
def test_any_names_survive(names: dict[str, int]) -> None:
    names.pop("__metadata__", None)
    for format_ in ("npz", "safetensors"):
        buffer = io.BytesIO()
        rsconv.save({key: np.full(rank, rank) for key, rank in names.items()}, buffer, format=format_)
        buffer.seek(0)
        if names:
            assert {key: array.size for key, array in rsconv.load(buffer).items()} == names


def test_files_of_the_packages_themselves(tmp_path: pathlib.Path) -> None:
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yz"]), "c": np.zeros(10_000, np.int32)}
    np.savez_compressed(tmp_path / "x.npz", **arrays)
    got = rsconv.load(tmp_path / "x.npz")
    for key, array in arrays.items():
        assert_same(got[key], array)
    rsconv.save({"a": arrays["a"]}, tmp_path / "y.npz")
    with np.load(tmp_path / "y.npz", allow_pickle=False) as back:
        assert_same(back["a"], arrays["a"])
    rsconv.save({"a": arrays["a"].T}, tmp_path / "z.safetensors")
    from safetensors import safe_open

    with safe_open(tmp_path / "z.safetensors", "numpy") as back:
        assert back.metadata() == {"format": "pt"}
        assert_same(back.get_tensor("a"), arrays["a"].T)


def test_contents_decide_whatever_the_suffix(tmp_path: pathlib.Path) -> None:
    for format_ in ("npz", "safetensors"):
        with open(tmp_path / "model.bin", "wb") as file:
            rsconv.save({"w": np.ones(2)}, file, format=format_)
        assert list(rsconv.load(tmp_path / "model.bin")) == ["w"]
    (tmp_path / "weights.npz").write_bytes((GOLDEN / "list.pt").read_bytes())
    assert len(rsconv.load(tmp_path / "weights.npz")) == 2


@pytest.mark.parametrize("length", [0x80, 0x3C + 0x100, 0x4B50])
def test_safetensors_whose_header_length_looks_like_another_format(length: int) -> None:
    header = json.dumps({"w": {"dtype": "U8", "shape": [1], "data_offsets": [0, 1]}}).encode().ljust(length)
    assert rsconv.load(io.BytesIO(struct.pack("<Q", length) + header + b"\x07"))["w"].tolist() == [7]


@pytest.mark.parametrize("suffix", ["safetensors", "npz"])
def test_save_takes_the_weights_of_a_module_on_any_device(
    suffix: str, tmp_path: pathlib.Path, device: str
) -> None:
    layer = rsconv.nn.Conv2d(2, 3, 3, dtype=rsconv.float16).to(device)
    rsconv.save(layer.state_dict(), tmp_path / f"x.{suffix}")
    got = rsconv.load(tmp_path / f"x.{suffix}")
    assert_same(got["weight"], layer.weight.numpy())
    assert got["weight"].any() and layer.weight.device == device
    other = rsconv.nn.Conv2d(2, 3, 3, dtype=rsconv.float16, device=device)
    other.load_state_dict(got)
    assert other.weight.device == device
    assert_same(other.weight.numpy(), got["weight"])


def test_save_takes_tensors(tmp_path: pathlib.Path) -> None:
    state = {"w": rsconv.Parameter(rsconv.tensor([[1.0, 2.0]])), "n": rsconv.tensor(3)}
    rsconv.save(state, tmp_path / "x.safetensors")
    got = rsconv.load(tmp_path / "x.safetensors")
    assert_same(got["w"], np.array([[1, 2]], np.float32))
    assert_same(got["n"], np.array(3))


def test_save_replaces_only_by_a_complete_file(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.npz"
    rsconv.save({"w": np.ones(2)}, path)

    def fail(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(np.lib.format, "write_array", fail)
    with pytest.raises(OSError, match="disk full"):
        rsconv.save({"w": np.zeros(2)}, path)
    assert os.listdir(tmp_path) == ["x.npz"]
    assert rsconv.load(path)["w"].tolist() == [1, 1]


def test_save_follows_a_link(tmp_path: pathlib.Path) -> None:
    (tmp_path / "link.npz").symlink_to(tmp_path / "x.npz")
    rsconv.save({"w": np.ones(2)}, tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    assert list(rsconv.load(tmp_path / "x.npz")) == ["w"]


class HasState:
    def state_dict(self) -> dict[str, np.ndarray]:
        return {}


@pytest.mark.parametrize(
    ("obj", "file", "error", "message"),
    [
        ({}, "x.pt", ArgumentError, r"format='safetensors' .* got the suffix '\.pt'"),
        ({}, "x", ArgumentError, r"got the suffix ''"),
        ([1], "x.npz", ArgumentError, r"a dict of arrays or Tensors, not list$"),
        (HasState(), "x.npz", ArgumentError, r"not HasState; pass its state_dict\(\)"),
        ({3: np.ones(1)}, "x.npz", ArgumentError, r"got 3"),
        ({"a\0b": np.ones(1)}, "x.npz", ArgumentError, r"got 'a\\x00b'"),
        ({"__metadata__": np.ones(1)}, "x.safetensors", ArgumentError, r"got '__metadata__'"),
        ({"opt": {"w": 1}}, "x.npz", ArgumentError, r"'opt' is of type dict"),
        (
            {"z": np.ones(1, np.complex128)},
            "x.safetensors",
            DtypeError,
            r"'z' has dtype complex128.*\.safetensors",
        ),
        ({"o": np.array([None])}, "x.npz", DtypeError, r"'o' has dtype object.*\.npz"),
    ],
)
def test_save_refuses(obj: object, file: str, error: type, message: str, tmp_path: pathlib.Path) -> None:
    with pytest.raises(error, match=message):
        rsconv.save(obj, tmp_path / file)
    assert os.listdir(tmp_path) == []


def test_arguments_that_are_no_files() -> None:
    with pytest.raises(ArgumentError, match=r"save writes .* got format='pt'"):
        rsconv.save({}, io.BytesIO(), format="pt")
    with pytest.raises(ArgumentError, match="save takes a path or a binary file, not int"):
        rsconv.save({}, 3, format="npz")
    with pytest.raises(ArgumentError, match="load takes a path or a binary file, not dict"):
        rsconv.load({})
    with pytest.raises(ArgumentError, match="in text mode, <StringIO>"):
        rsconv.load(io.StringIO("x"))


def test_files_that_cannot_be_opened(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"none\.pt"):
        rsconv.load(tmp_path / "none.pt")
    with pytest.raises(IsADirectoryError):
        rsconv.load(tmp_path)
    with pytest.raises(FileNotFoundError, match="no-such"):
        rsconv.save({}, tmp_path / "no-such" / "x.npz")


def test_import_is_light() -> None:
    code = "import sys, rsconv.io; sys.exit(bool({'safetensors', 'pickletools'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
