"""Storages, archives and files that do not fit together: refused with the reason; no input crashes."""

import io
import json
import os
import pathlib
import pickle
import struct
import tarfile
import zipfile

import numpy as np
import pytest
import rsconv
from hypothesis import given, settings
from hypothesis import strategies as st
from rsconv.errors import WeightsError
from test_io_hostile import FOUR, refuse
from torch_files import (
    LEGACY_MAGIC,
    archive,
    call,
    float_vector,
    legacy,
    name,
    pickled,
    storage,
    tensor,
    tensor_v3,
    value,
    zipped,
)

GOLDEN = pathlib.Path(__file__).parent / "golden" / "pt"
FLOATS = storage("FloatStorage", "0", 4)
BYTES = storage("UntypedStorage", "0", 16, module="torch.storage")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            tensor(FLOATS, 0, (5,), (1,)),
            r"size \(5,\), stride \(1,\), offset 0 reaches element 4 of storage '0', .* 4 ",
        ),
        (tensor(FLOATS, 4, (), ()), r"offset 4 reaches element 4 of storage '0'"),
        (tensor(FLOATS, 1, (2, 2), (2, 1)), r"reaches element 4"),
        (tensor(FLOATS, 0, (2,), (2**62,)), r"reaches element 4611686018427387904"),
        (tensor(FLOATS, 2**62, (1,), (1,)), r"reaches element 4611686018427387904"),
        (tensor(FLOATS, -1, (1,), (1,)), r"a tensor's storage offset holds -1"),
        (tensor(FLOATS, 3, (4,), (-1,)), r"a tensor's stride holds -1"),
        (tensor(FLOATS, 0, (-4,), (1,)), r"a tensor's size holds -4"),
        (tensor(FLOATS, 0, (2**63,), (1,)), r"a tensor's size holds 9223372036854775808"),
        (tensor(FLOATS, 0, (True,), (1,)), r"a tensor's size holds True"),
        (tensor(FLOATS, 0, (2.0,), (1,)), r"a tensor's size holds 2\.0"),
        (tensor(FLOATS, "0", (2,), (1,)), r"a tensor's storage offset holds '0'"),
        (tensor(FLOATS, 0, ((1,),), (1,)), r"a tensor's size holds a tuple"),
        (tensor(FLOATS, 0, 4, (1,)), r"a tensor's size is a int, not a tuple"),
        (tensor(FLOATS, 0, (1,) * 33, (1,) * 33), r"a tensor's size has 33 numbers; at most 32"),
        (tensor(FLOATS, 0, (2,), (1, 1)), r"has strides for another rank"),
        (tensor(FLOATS, 0, (2**40,), (0,)), r"has 1099511627776 elements over a storage of 4"),
        (tensor(FLOATS, 0, (2**20, 2**20, 2**20), (0, 0, 0)), r"has 1152921504606846976 elements"),
        (tensor(FLOATS, 0, (0, 2**40, 2**40), (1, 1, 1)), r"is too large"),
        (tensor(FLOATS, 0, (4,), (1,), {"sparse": True}), r"a tensor has the metadata 'sparse'"),
        (tensor(FLOATS, 0, (4,), (1,), 5), r"a tensor has the metadata 5"),
        (tensor(value("0"), 0, (4,), (1,)), r"a tensor's storage is a str"),
        (tensor(float_vector(), 0, (4,), (1,)), r"a tensor's storage is a ndarray"),
        (
            tensor_v3(BYTES, 0, (3,), (1,), "float64"),
            r"reaches element 2 of storage '0', which has 2 \(float64\)",
        ),
        (
            call(name("torch._utils", "_rebuild_tensor_v3"), BYTES, 0, (1,), (1,), False, None, "float7"),
            r"a tensor's dtype is 'float7'",
        ),
        (
            call(name("torch._utils", "_rebuild_tensor_v3"), BYTES, 0, (1,), (1,), False, None, (((),),)),
            r"a tensor's dtype is a tuple",
        ),
        (
            tensor_v3(storage("ByteStorage", "0", 16, (0, 1, 8)), 0, (1,), (1,), "int16"),
            r"storage '0' begins amid an element of type int16",
        ),
    ],
)
def test_tensors_outside_their_storage(body: bytes, message: str) -> None:
    refuse(archive(body, FOUR), message)


def test_a_tensor_may_repeat_its_storage_within_bounds() -> None:
    got = rsconv.load(io.BytesIO(archive(tensor(FLOATS, 1, (1000, 1000), (0, 0)), FOUR)))
    assert (got.shape, got.strides, got.max()) == ((1000, 1000), (0, 0), 1.0)


def identifier(*fields: object) -> bytes:
    return tensor(value(fields) + b"Q", 0, (1,), (1,))


FLOAT_STORAGE = name("torch", "FloatStorage")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            identifier("module", FLOAT_STORAGE, "0", "cpu", 4),
            r"refers to a tuple outside of it, which is no storage",
        ),
        (identifier("storage", FLOAT_STORAGE, "0"), r"refers to a tuple outside of it"),
        (tensor(value("storage") + b"Q", 0, (1,), (1,)), r"refers to 'storage' outside of it"),
        (identifier("storage", "FloatStorage", "0", "cpu", 4), r"storage '0' has the type 'FloatStorage'"),
        (identifier("storage", name("torch", "Tensor"), "0", "cpu", 4), r"storage '0' has the type a Global"),
        (identifier("storage", name("torch", "float32"), "0", "cpu", 4), r"has the type a Float32DType"),
        (identifier("storage", FLOAT_STORAGE, 0, "cpu", 4), r"storage 0 states 4 elements"),
        (identifier("storage", FLOAT_STORAGE, "0", "cpu", -4), r"storage '0' states -4 elements"),
        (
            identifier("storage", FLOAT_STORAGE, "0", "cpu", 2**60),
            r"storage '0' states 1152921504606846976 elements",
        ),
        (identifier("storage", FLOAT_STORAGE, "0", "cpu", True), r"storage '0' states True elements"),
        (
            identifier("storage", FLOAT_STORAGE, "0", "cpu", 5),
            r"record 'data/0' has 16 bytes, its tensors need 20",
        ),
        (identifier("storage", FLOAT_STORAGE, "9", "cpu", 1), r"no record 'archive/data/9'"),
        (
            identifier("storage", FLOAT_STORAGE, "../data.pkl", "cpu", 1),
            r"no record 'archive/data/\.\./data\.pkl'",
        ),
        (
            float_vector() + b"0" + tensor(storage("DoubleStorage", "0", 4), 0, (4,), (1,)),
            r"storage '0' has 16 bytes, not 4 float64",
        ),
        (
            identifier("storage", FLOAT_STORAGE, "0", "cpu", 4, ("v", 3, 2)),
            r"a view of a storage of 4 elements is",
        ),
        (
            identifier("storage", FLOAT_STORAGE, "0", "cpu", 4, ("v", -1, 2)),
            r"a view of a storage of 4 .*'-1', '2'",
        ),
        (
            identifier("storage", FLOAT_STORAGE, "0", "cpu", 4, 7),
            r"a view of a storage of 4 elements is \[\]",
        ),
    ],
)
def test_storages_that_are_not_there(body: bytes, message: str) -> None:
    refuse(archive(body, FOUR), message)


def patched(data: bytes, signature: bytes, at: int, new: bytes, which: int = -1) -> bytes:
    """`data` with the bytes at `at` of one zip header replaced."""
    places = [i for i in range(len(data)) if data.startswith(signature, i)]
    start = places[which] + at
    return data[:start] + new + data[start + len(new) :]


STORED = archive(float_vector(), FOUR)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archives_that_torch_save_does_not_write() -> None:
    refuse(
        archive(float_vector(), FOUR, compression=zipfile.ZIP_DEFLATED),
        r"'byteorder' is compressed, which torch",
    )
    refuse(archive(float_vector(), [("0", FOUR["0"])] * 2), r"two records 'archive/data/0'")
    twice = [("a/data.pkl", pickled(1)), ("b/data.pkl", pickled(2))]
    refuse(zipped(twice), r"more than one record data\.pkl")
    refuse(
        zipped([("a/data.pkl", pickled(1)), ("a/constants.pkl", b"")]), r"a TorchScript program, not weights"
    )
    refuse(zipped([("readme.txt", b"x")]), r"no record data\.pkl; .*\('readme\.txt' \.\.\.\)")
    refuse(
        archive(float_vector(), FOUR, byteorder=b"middle"),
        r"byteorder says b'middle', neither little nor big",
    )
    central, local = b"PK\x01\x02", b"PK\x03\x04"
    refuse(patched(STORED, central, 8, b"\x01\x00"), r"the record 'data/0' is encrypted")
    refuse(
        patched(STORED, central, 20, b"\xff\xff\xff\x7f" * 2),
        r"states 2147483647 bytes; .* more than the file has",
    )
    refuse(patched(STORED, central, 42, b"\xf0\xff\xff\x7f"), r"the record 'data/0' states 16 bytes")
    refuse(patched(STORED, local, 30, b"X"), r"the record 'data/0' is broken: File name in directory")
    refuse(patched(STORED, central, 16, b"\x01\x02\x03\x04"), r"the record 'data/0' is broken: Bad CRC-32")
    refuse(STORED.replace(FOUR["0"], bytes(16)), r"the record 'data/0' is broken: Bad CRC-32")
    refuse(patched(STORED, central, 20, b"\x11\x00\x00\x00" * 2), r"the record 'data/0' is broken")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_leave_the_archive_are_not_followed(tmp_path: pathlib.Path) -> None:
    entries = [("archive/data.pkl", pickled(float_vector("../../up"))), ("archive/data/../../up", FOUR["0"])]
    entries += [("../evil", b"x"), (str(tmp_path / "absolute"), b"x")]
    assert rsconv.load(io.BytesIO(zipped(entries))).tolist() == [0, 1, 2, 3]
    assert os.listdir(tmp_path) == []


def test_overlapping_records_are_no_bomb() -> None:
    size = 200_000
    names = [f"archive/data/{i}" for i in range(100, 200)]
    body = [tensor(storage("ByteStorage", str(i), size), 0, (size,), (1,)) for i in range(100, 200)]
    whole = zipped([("archive/data.pkl", pickled(body)), (names[0], bytes(size))])
    start, end = whole.index(b"PK\x01\x02"), whole.rindex(b"PK\x05\x06")
    entry = whole[whole.rindex(b"PK\x01\x02") : end]
    directory = whole[start:end] + b"".join(entry[:46] + other.encode() for other in names[1:])
    tail = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 101, 101, len(directory), start, 0)
    refuse(whole[:start] + directory + tail, r"'data/101'.*(more than the file has|is broken)", megabytes=2)


def test_broken_legacy_files() -> None:
    four = {"k": np.arange(4, dtype=np.float32)}
    good = legacy(float_vector("k"), four)
    refuse(good[:-1], r"the file is truncated: storage 'k' ends after 15 of 16 bytes")
    refuse(good[:-16], r"storage 'k' ends after 0 of 16 bytes")
    refuse(good[:-20], r"storage 'k' has nothing, its tensors need 4")
    refuse(good[:30], r"the pickle is malformed")
    refuse(legacy(float_vector("k"), {"k": four["k"][:3]}), r"storage 'k' has 3 elements, its tensors need 4")
    refuse(legacy(float_vector("k"), {"k": np.arange(4.0)[:0]}), r"storage 'k' has 0 elements")
    refuse(legacy(float_vector("k"), four, keys=[]), r"the file lacks the storages 'k'")
    refuse(
        legacy(float_vector("k"), four, keys=["k", "k"]), r"'k', which no tensor uses or which came before"
    )
    refuse(legacy(float_vector("k"), four, keys=["other"]), r"'other', which no tensor uses")
    refuse(legacy(float_vector("k"), four, keys=[[]]), r"the list of storages has a list")
    refuse(legacy(float_vector("k"), four, keys={"k": 1}), r"the list of storages is a dict")
    refuse(
        legacy(float_vector("k", 2**40), four),
        r"storage 'k' states 1099511627776 elements of 4 bytes; the file",
    )
    halves = [float_vector(str(i), 100) for i in range(20)]
    refuse(legacy(halves, {}), r"storage '1?\d' states 100 elements of 4 bytes; the file is too short")
    refuse(pickle.dumps({"w": [1]}, 2), r"a pickle, but torch\.save did not write it: it begins with a dict")
    refuse(
        pickle.dumps(LEGACY_MAGIC, 2) + pickle.dumps(1002, 2),
        r"version 1002 of PyTorch's old format; only 1001",
    )


def tar_file() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as out:
        out.addfile(tarfile.TarInfo("storages"))
    return buffer.getvalue()


def npy_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ones(2))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"cannot load <BytesIO>: the file is empty \(0 bytes\)"),
        (b"version https://git-lfs.github.com/spec/v1\n", r"a Git LFS pointer; fetch .* `git lfs pull`"),
        (b"\n  <?xml?>", r"an HTML or XML page"),
        (b"\x1f\x8b\x08\x00", r"gzip data; decompress it first"),
        (b"\x89HDF\r\n", r"HDF5 data"),
        (b"GGUF\x03", r"GGUF data"),
        (npy_file(), r"a single NumPy array; read it with numpy\.load"),
        (tar_file(), r"a tar archive, as PyTorch before 0\.2"),
        (b"\x00\x01\x02", r"not a weights file: it begins with b'\\x00\\x01\\x02'"),
        (b"PK\x03\x04", r"the zip archive is truncated or broken"),
    ],
)
def test_other_files(data: bytes, message: str) -> None:
    refuse(data, message)


def safetensors_of(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype: str, shape: list[int], begin: int, end: int) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            safetensors_of({"w": entry("F32", [2], 0, 8)}, bytes(7)),
            r"truncated or broken: .*not fully covered",
        ),
        (safetensors_of({"w": entry("F32", [2], 0, 4)}, bytes(4)), r"truncated or broken"),
        (safetensors_of({"w": entry("F32", [2**62, 8], 0, 4)}, bytes(4)), r"truncated or broken"),
        (
            safetensors_of({"a": entry("I8", [2], 0, 2), "b": entry("I8", [2], 1, 3)}, bytes(3)),
            r"truncated or broken",
        ),
        (safetensors_of({"w": entry("F9", [1], 0, 1)}, bytes(1)), r"truncated or broken"),
        (
            safetensors_of({"w": entry("F4", [2], 0, 1)}, bytes(1)),
            r"the tensor 'w' has the dtype F4, which is not read",
        ),
        (safetensors_of(b"{nonsense"), r"truncated or broken"),
        (
            safetensors_of({"w": entry("I8", [1] * 65, 0, 1)}, bytes(1)),
            r"'w' has shape \[1, .*NumPy cannot hold",
        ),
    ],
)
def test_broken_safetensors(data: bytes, message: str) -> None:
    refuse(data, message)


def test_a_suffix_gives_the_reader_of_what_is_unrecognisable(tmp_path: pathlib.Path) -> None:
    reasons = {
        ".safetensors": "the safetensors data is truncated",
        ".npz": "the zip archive is truncated",
        ".pt": "b'",
    }
    for suffix, reason in reasons.items():
        path = tmp_path / f"x{suffix}"
        path.write_bytes(b"\x05\x00\x00")
        with pytest.raises(WeightsError, match=rf"cannot load .*x\{suffix}: .*{reason}"):
            rsconv.load(path)


def npz_of(header: str, data: bytes = b"", member: str = "w.npy", version: int = 1, **options: int) -> bytes:
    text = header.encode()
    lead = b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H" if version == 1 else "<I", len(text)) + text
    return zipped([(member, lead + data)], **options)


def header(descr: str, shape: str, order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            npz_of(header("'<f4'", "(2,)"), bytes(7)),
            r"member 'w\.npy' states shape \(2,\) of float32, 8 bytes, and has 7",
        ),
        (npz_of(header("'<f4'", "(1099511627776,)"), bytes(4)), r"states shape \(1099511627776,\)"),
        # The directory of the archive lies in the same way as the array's header does.
        (
            patched(
                npz_of(header("'<f4'", "(2,)"), bytes(7), compression=zipfile.ZIP_DEFLATED),
                b"PK\x01\x02",
                24,
                struct.pack("<I", 10 + len(header("'<f4'", "(2,)")) + 8),
            ),
            r"'w\.npy' ends after 7 of 8 bytes",
        ),
        (npz_of(header("'|O'", "(1,)"), pickle.dumps([print])), r"'w\.npy' is not a plain array of numbers"),
        (npz_of(header("[('a', '<f4')]", "(1,)"), bytes(4)), r"is not a plain array"),
        (npz_of(header("'<f3'", "(1,)"), bytes(3)), r"has the dtype '<f3', which does not exist"),
        (npz_of(header("'<f4'", "(-1,)"), bytes(4)), r"is not a plain array"),
        (npz_of("(" * 5000), r"is not a plain array"),
        (npz_of("x" * 70_000, version=2), r"has a \.npy header of version 2 and 70000 bytes"),
        (npz_of("{}", version=9), r"has a \.npy header of version 9"),
        (zipped([("w.npy", b"PK")]), r"has no \.npy header"),
        (zipped([("w.npy", npy_file()), ("readme", b"")]), r"no record data\.pkl"),
        (zipped([("w.npy", npy_file())], compression=zipfile.ZIP_BZIP2), r"neither stored nor deflated"),
        (
            patched(zipped([("w.npy", npy_file())]), b"PK\x01\x02", 16, b"abcd"),
            r"truncated or broken: Bad CRC-32",
        ),
        (
            patched(zipped([("w.npy", npy_file())]), b"PK\x01\x02", 8, b"\x01\x00"),
            r"truncated or broken: .*encrypted",
        ),
        (
            patched(zipped([("w.npy", npy_file())]), b"PK\x01\x02", 42, b"\xff\xff\xff\x7f"),
            r"lies outside the file",
        ),
        (
            patched(zipped([("w.npy", npy_file())]), b"PK\x01\x02", 20, b"\xff\xff\xff\xee" * 2),
            r"unfolds to 4009754623",
        ),
    ],
)
def test_broken_npz(data: bytes, message: str) -> None:
    refuse(data, message)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_npz_with_a_name_twice() -> None:
    refuse(zipped([("w.npy", npy_file())] * 2), r"member 'w\.npy' is no \.npy file, or there are two")


def test_npz_headers_of_other_versions() -> None:
    for version in (1, 2, 3):
        data = npz_of(
            header("'<i2'", "(2L, 3)", "True"), np.arange(6, dtype="<i2").tobytes(), version=version
        )
        assert rsconv.load(io.BytesIO(data))["w"].tolist() == [[0, 2, 4], [1, 3, 5]]


def valid_files() -> dict[str, bytes]:
    files = {path.name: path.read_bytes() for path in GOLDEN.iterdir() if path.suffix in (".pt", ".pth")}
    arrays = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array(True)}
    for format_ in ("npz", "safetensors"):
        buffer = io.BytesIO()
        rsconv.save(arrays, buffer, format=format_)
        files[format_] = buffer.getvalue()
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return files | {"compressed": buffer.getvalue()}


FILES = valid_files()


def survive(data: bytes) -> None:
    """Load `data`: anything but a result and WeightsError is a failure."""
    try:
        rsconv.load(io.BytesIO(data))
    except WeightsError as error:
        assert len(str(error)) > len("cannot load <BytesIO>: ")


@given(st.sampled_from(sorted(FILES)), st.floats(0, 1, exclude_max=True))
@settings(max_examples=400, deadline=None)
def test_truncation(file: str, fraction: float) -> None:
    survive(FILES[file][: int(len(FILES[file]) * fraction)])


@given(st.sampled_from(sorted(FILES)), st.floats(0, 1, exclude_max=True), st.integers(0, 255))
@settings(max_examples=800, deadline=None)
def test_corruption_of_one_byte(file: str, fraction: float, byte: int) -> None:
    data = bytearray(FILES[file])
    if data:
        data[int(len(data) * fraction)] = byte
    survive(bytes(data))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_corruption_of_headers_and_pickles() -> None:
    """Where a byte changes structure rather than a weight, and no checksum notices."""
    random = np.random.default_rng(0)
    for _ in range(1500):
        file = random.choice(["checkpoint.pth", "numpy_scalars.pt", "strides.pt", "module.pt"])
        with zipfile.ZipFile(io.BytesIO(FILES[file])) as source:
            entries = [(info.filename, source.read(info)) for info in source.infolist()]
        at = next(i for i, (entry_name, _) in enumerate(entries) if entry_name.endswith("data.pkl"))
        mutated = bytearray(entries[at][1])
        for _ in range(random.integers(1, 4)):
            place = random.integers(len(mutated))
            match random.integers(4):
                case 0:
                    mutated[place] = random.integers(256)
                case 1:
                    del mutated[place : place + random.integers(1, 20)]
                case 2:
                    mutated[place:place] = mutated[random.integers(len(mutated)) :][: random.integers(1, 40)]
                case 3:
                    mutated[place] = random.choice(list(b"(.tRbQu}]ac0q\x85\x86\x93\x81\x92hj"))
        entries[at] = entries[at][0], bytes(mutated)
        survive(zipped(entries))


def test_random_pickles() -> None:
    """Streams of opcodes in no order, which reach states that a mutated file does not."""
    random = np.random.default_rng(1)
    parts = [bytes([c]) for c in b"()]}.0123tRbQueasld\x85\x86\x87\x88\x89\x8f\x90\x91\x93\x94N"]
    parts += [
        value(0),
        value("0"),
        value(("storage", FLOAT_STORAGE, "0", "cpu", 4)),
        value({"_metadata": {}}),
    ]
    parts += [b"q\x00", b"q\x01", b"h\x00", b"h\x01", float_vector(), FLOATS, value((1, 2)), value("f8")]
    for module, attribute in (
        ("collections", "OrderedDict"),
        ("collections", "Counter"),
        ("builtins", "set"),
        ("_codecs", "encode"),
        ("torch._utils", "_rebuild_tensor_v2"),
        ("torch._utils", "_rebuild_parameter"),
        ("torch._tensor", "_rebuild_from_type_v2"),
        ("torch", "Size"),
        ("numpy", "dtype"),
        ("numpy", "ndarray"),
        ("numpy.core.multiarray", "_reconstruct"),
        ("numpy.core.multiarray", "scalar"),
    ):
        parts.append(name(module, attribute))
    for _ in range(4000):
        body = b"".join(parts[i] for i in random.integers(len(parts), size=random.integers(1, 25)))
        survive(archive(body, FOUR))
