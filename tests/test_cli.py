"""The command line: what it prints, writes and refuses."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rsconv
from PIL import Image
from rsconv import cli, demo
from rsconv.demo import filters, picture, steps


@pytest.fixture
def photo(tmp_path):
    """A small photograph-like image: smooth shades, edges of every direction, colours."""
    y, x = np.mgrid[:80, :96] / 80
    rings = np.sin(40 * np.hypot(x - 0.6, y - 0.4)) > 0
    pixels = np.stack([rings * 200 + 20 * x, 255 * x / x.max(), 255 * y], axis=-1)
    path = tmp_path / "rings.png"
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


@pytest.fixture(autouse=True)
def one_timing(monkeypatch):
    run = steps.run
    monkeypatch.setattr(steps, "run", lambda step: run(step, rounds=1))


def refused(capsys, *arguments):
    """The line that `rsconv demo` says when it ends with code 2."""
    assert cli.main(["demo", *map(str, arguments)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    line = captured.err.removesuffix("\n")
    assert "\n" not in line
    assert line.startswith("rsconv demo: error: ")
    return line.removeprefix("rsconv demo: error: ")


def test_version_in_one_place(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"rsconv {rsconv.__version__}\n"


def test_module_and_script_are_the_same_command():
    for command in ([sys.executable, "-m", "rsconv"], ["rsconv"]):
        if command == ["rsconv"]:
            command = [str(script())]
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout == f"rsconv {rsconv.__version__}\n"


def script():
    """The `rsconv` that belongs to this interpreter."""
    from importlib.metadata import files

    paths = [
        file.locate()
        for file in files("rsconv") or ()
        if file.stem == "rsconv" and "bin" in str(file).lower()
    ]
    paths += [file.locate() for file in files("rsconv") or () if file.name == "rsconv.exe"]
    assert paths, "the rsconv distribution installed no script"
    return paths[0]


def test_info_shows_every_knob(capsys):
    assert cli.main(["info"]) == 0
    shown = capsys.readouterr().out
    info = rsconv._core.info()
    assert f"rsconv {rsconv.__version__}\n" in shown
    assert f"ISA: {info['isa']} ({info['isa_reason']})" in shown
    assert f"threads: {rsconv.get_num_threads()}: " in shown
    assert {"RSCONV_ISA", "RSCONV_NUM_THREADS", "RSCONV_LOG"} <= {knob["name"] for knob in info["knobs"]}
    words = " ".join(shown.split())
    for knob in info["knobs"]:
        assert f"{knob['name']}: " in shown
        assert f"(default: {knob['default']})" in words
        assert knob["help"] in words


def test_every_variable_is_a_knob():
    """What the package, its shaders, tests and programs name is declared in one table."""
    root = Path(__file__).parent.parent
    places = [root / "test", root / ".ci" / "run"]
    for folder in ("python", "tests", "benches", "shaders", "docs", "examples"):
        places += [path for path in (root / folder).rglob("*") if path.suffix in (".py", ".wgsl", ".md")]
    texts = [path.read_text("utf-8") for path in places if path.exists()]
    named = {name for text in texts for name in re.findall(r"RSCONV_[A-Z_]*[A-Z]\b", text)}
    declared = {knob["name"] for knob in rsconv._core.info()["knobs"]}
    assert named == declared


def test_info_shows_values_and_reasons():
    import os

    environment = os.environ | {"RSCONV_NUM_THREADS": "3", "RSCONV_ISA": "scalar"}
    command = [sys.executable, "-m", "rsconv", "info"]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert "\nthreads: 3: RSCONV_NUM_THREADS\n" in shown
    assert "\nISA: scalar (" in shown
    assert "RSCONV_NUM_THREADS: '3' (default" in shown
    assert "RSCONV_ISA: 'scalar' (default" in shown


def test_unknown_command_is_refused(capsys):
    with pytest.raises(SystemExit) as end:
        cli.main(["paint"])
    assert end.value.code == 2
    assert "invalid choice: 'paint'" in capsys.readouterr().err


def test_demo_writes_a_picture_and_a_table(photo, tmp_path, capsys):
    out = tmp_path / "out.png"
    assert cli.main(["demo", str(photo), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert "rings.png, 3 x 80 x 96" in lines[0]
    table = lines[2:7]
    assert [line[:26].strip() for line in table] == [
        "step",
        "32 oriented edge filters",
        "lens blur",
        "unsharp mask",
        "upsampling x4",
    ]
    assert "1 x 80 x 96" in table[1] and "32 x 80 x 96" in table[1]
    assert "3 x 320 x 384" in table[4]
    assert len({len(line) for line in table}) == 1, "columns are aligned"
    assert lines[-1] == f"Wrote {out}"
    with Image.open(out) as image:
        assert image.format == "PNG"
        assert image.width > 1000
        colours = image.convert("RGB").getcolors(image.width * image.height)
    assert colours is not None and len(colours) > 100


def test_demo_refuses_what_it_cannot_read(photo, tmp_path, capsys):
    out = ("--out", tmp_path / "out.png")
    missing = tmp_path / "none.jpg"
    assert refused(capsys, missing, *out) == f"there is no file {missing}"
    text = tmp_path / "text.jpg"
    text.write_text("not an image")
    assert refused(capsys, text, *out) == f"{text} is not an image that Pillow can read"
    cut = tmp_path / "cut.png"
    cut.write_bytes(photo.read_bytes()[:200])
    assert refused(capsys, cut, *out).startswith(f"cannot read {cut}: ")
    assert refused(capsys, tmp_path, *out).startswith(f"cannot read {tmp_path}: ")
    small = tmp_path / "small.png"
    Image.new("RGB", (63, 200)).save(small)
    assert refused(capsys, small, *out) == f"{small} is 63 x 200 pixels, but the demo needs at least 64 x 64"


def test_demo_refuses_a_picture_that_is_too_large(photo, tmp_path, capsys, monkeypatch):
    for limit in (7000, 3000):  # Pillow warns above its limit and raises above its double
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        assert refused(capsys, photo, "--out", tmp_path / "out.png").startswith(f"{photo} is too large: ")


def test_demo_refuses_what_it_cannot_write(photo, tmp_path, capsys, monkeypatch):
    jpeg = tmp_path / "out.jpg"
    assert refused(capsys, photo, "--out", jpeg) == (
        f"the picture is a PNG, so its name must end in .png, but got {jpeg}"
    )
    folder = tmp_path / "folder.png"
    folder.mkdir()
    assert refused(capsys, photo, "--out", folder) == f"cannot write {folder}: it is a directory"
    nowhere = tmp_path / "none" / "out.png"
    assert refused(capsys, photo, "--out", nowhere) == (
        f"cannot write {nowhere}: there is no directory {nowhere.parent}"
    )
    monkeypatch.setattr(picture, "write_png", lambda image: b"\0")
    monkeypatch.setattr("pathlib.Path.write_bytes", fail_to_write)
    with pytest.raises(demo.DemoError, match=r"^cannot write .*out\.png: No space left on device$"):
        demo.run_demo(photo, tmp_path / "out.png", say=lambda line: None)


def fail_to_write(path, data):
    import errno

    raise OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize("package", ["scipy", "PIL"])
def test_demo_names_the_missing_extra(package, photo, tmp_path, capsys, monkeypatch):
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    line = refused(capsys, photo, "--out", tmp_path / "out.png")
    assert line == f"the demo needs {package}: pip install 'rsconv[demo]'"


def test_demo_reduces_large_photographs_and_turns_them_upright(tmp_path):
    path = tmp_path / "large.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: a quarter turn
    Image.new("CMYK", (2048, 512)).save(path, exif=exif)
    image = demo._read(path)
    assert image.shape == (3, 1024, 256)
    assert image.dtype == np.float32
    assert np.all(image == 1)


@pytest.mark.parametrize("index", range(4))
def test_demo_notices_a_wrong_result(index):
    photo = np.random.default_rng(0).random((3, 64, 64), dtype=np.float32)
    step = steps.steps(photo)[index]
    assert steps.run(step).difference <= step.tolerance
    weight = next(iter(step.module.state_dict()))
    state = {name: np.array(value) for name, value in step.module.state_dict().items()}
    state[weight] = state[weight] * np.float32(1.001)
    step.module.load_state_dict(state)
    with pytest.raises(
        rsconv.InternalError, match=f"^{step.name}: .* differ by .* rounding explains at most"
    ):
        steps.run(step)


def test_demo_notices_a_wrong_shape(monkeypatch):
    photo = np.zeros((3, 64, 64), np.float32)
    step = steps.steps(photo)[1]
    broken = steps.Step(**(vars(step) | {"reference": lambda x: x[:, 1:]}))
    with pytest.raises(
        rsconv.InternalError, match=r"gave float32 \(3, 64, 64\), oaconvolve gave .* \(3, 63, 64\)"
    ):
        steps.run(broken)


def test_filters_are_what_they_say():
    bank = filters.gabor_bank()
    assert bank.shape == (32, 1, 21, 21)
    np.testing.assert_allclose(bank.sum(axis=(1, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(np.abs(bank).sum(axis=(1, 2, 3)), 1, rtol=1e-6)
    hexagon = filters.hexagon()
    assert hexagon.shape == (41, 41)
    assert hexagon.sum() == pytest.approx(1)
    np.testing.assert_allclose(hexagon, hexagon[::-1, ::-1], atol=1e-7)
    assert hexagon[0, 0] == 0
    blurred = np.outer(filters.gaussian(), filters.gaussian())
    identity = filters.unsharp(filters.gaussian(), 0.5) + 0.5 * blurred
    assert identity[6, 6] == pytest.approx(1.5)
    np.testing.assert_allclose(np.delete(identity.ravel(), 6 * 13 + 6), 0, atol=1e-7)
    np.testing.assert_allclose(filters.cubic(4).reshape(4, 4).sum(axis=0), 1, atol=1e-6)
    with pytest.raises(ValueError, match="scale must be even, but got scale=3"):
        filters.cubic(3)


def test_the_orientation_map_tells_directions_apart():
    energy = np.zeros((8, 1, 4), np.float32)
    energy[0, 0, 0] = energy[4, 0, 1] = 1
    colours = picture.orientation_map(energy)
    assert colours[0, 0, 0] > colours[0, 0, 1:].max(), "vertical edges are red"
    assert colours[0, 1, 0] < colours[0, 1, 1:].min(), "horizontal ones have the opposite hue"


def test_all_directions_are_drawn_as_bright():
    energy = np.zeros((8, 1, 8), np.float32)
    energy[range(8), 0, range(8)] = 1
    maps = [picture.feature_map(energy, direction)[0, direction] for direction in range(8)]
    luma = np.array(maps) @ [0.299, 0.587, 0.114]
    assert np.ptp(luma) <= 1 and luma.min() > 140
    assert len({tuple(colour) for colour in maps}) == 8
    assert picture.feature_map(energy, 0)[0, 1:].max() == 0
