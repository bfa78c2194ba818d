"""Every file of examples/ runs, without a warning, and does what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, *arguments, cwd):
    command = [sys.executable, "-W", "error", EXAMPLES / name, *arguments]
    # Graphics libraries complain where there is no such folder.
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(cwd)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def test_edges(tmp_path):
    photo = tmp_path / "square.png"
    pixels = np.zeros((40, 60), np.uint8)
    pixels[10:30, 20:40] = 200
    Image.fromarray(pixels).save(photo)
    out = run("edges.py", photo, tmp_path / "out.png", cwd=tmp_path)
    assert re.fullmatch(r"[\d.]+% of square\.png is edge; wrote .*out\.png\n", out)
    with Image.open(tmp_path / "out.png") as image:
        strength = np.asarray(image)
    assert strength.shape == (40, 60)
    assert strength[20, 19] == strength[10, 30] == 255
    assert strength[20, 30] == strength[5, 5] == 0


def test_edges_of_the_default_photograph(tmp_path):
    assert " of grace_hopper.jpg is edge; wrote edges.png" in run("edges.py", cwd=tmp_path)
    assert (tmp_path / "edges.png").stat().st_size > 10_000


def test_read_digits(tmp_path):
    out = run("read_digits.py", cwd=tmp_path)
    share = re.search(r"^([\d.]+)% of 500 digits are right$", out, re.MULTILINE)
    assert share is not None
    assert float(share[1]) > 95
    assert re.search(r"^read as: \d \d \d \d \d$", out, re.MULTILINE)


def losses_and_shares(out):
    found = re.findall(r"^epoch \d+/\d+: loss ([\d.]+), ([\d.]+)% of the test images", out, re.MULTILINE)
    return [(float(loss), float(share)) for loss, share in found]


def test_digits(tmp_path):
    out = run("digits.py", "--epochs", "3", "--output", "figure.png", cwd=tmp_path)
    (first, _), _, (last, share) = losses_and_shares(out)
    assert last < first / 5
    assert share > 96
    with Image.open(tmp_path / "figure.png") as image:
        assert image.size == (1000, 600)
        assert len(image.getcolors(1 << 20)) > 100


def test_digits_goes_the_same_way_on_every_device(device, tmp_path):
    small = "--epochs", "1", "--images", "500"
    ((loss, _),) = losses_and_shares(run("digits.py", *small, "--device", device, cwd=tmp_path))
    ((wanted, _),) = losses_and_shares(run("digits.py", *small, cwd=tmp_path))
    # On the CPU bit for bit.
    assert loss == pytest.approx(wanted, rel=0 if device == "cpu" else 1e-3)


def test_import_swap(tmp_path):
    out = run("import_swap.py", cwd=tmp_path)
    assert out.startswith(
        "Autoencoder(\n  (down): Conv2d(3, 8, kernel_size=(3, 3), stride=(2, 2), padding=(1, 1))\n"
    )
    assert "ndarray (2, 3, 33, 47) -> ndarray (2, 3, 33, 47)" in out


def test_denoise(tmp_path):
    out = run("denoise.py", "--steps", "60", cwd=tmp_path)
    before, after = re.search(r"([\d.]+) dB noisy, ([\d.]+) dB denoised", out).groups()
    assert float(after) > float(before) + 0.5
    with Image.open(tmp_path / "denoise.png") as image:
        assert image.size == (512, 600)


def test_pitch(tmp_path):
    out = run("pitch.py", "--steps", "80", cwd=tmp_path)
    assert float(re.search(r"^([\d.]+)% of 500 new notes are right$", out, re.MULTILINE)[1]) > 80


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.stem)
def test_every_example_has_a_test(path):
    assert f'run("{path.name}"' in Path(__file__).read_text()
