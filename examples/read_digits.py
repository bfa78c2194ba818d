"""Recognise rendered digits with a small network whose weights `torch.save` wrote; this needs no PyTorch.

python examples/read_digits.py
"""

from pathlib import Path

import numpy as np
import rsconv
from PIL import Image, ImageDraw, ImageFont
from rsconv import nn

SIZE = 16


def network():
    """Digits `(N, 1, 16, 16)` to scores `(N, 10)`."""
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 12, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 20, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(20, 10, 4),
        nn.Flatten(),
    )


def render(digit, rng):
    """A digit, turned, scaled, shifted and noisy: `(1, 16, 16)` float32, about 0 on paper and 1 on ink."""
    large = 4 * SIZE
    page = Image.new("L", (large, large))
    place = large / 2 + rng.uniform(-6, 6, 2)
    font = ImageFont.load_default(rng.uniform(40, 58))
    ImageDraw.Draw(page).text(tuple(place), str(digit), 255, font, anchor="mm")
    page = page.rotate(rng.uniform(-20, 20), Image.Resampling.BILINEAR)
    page = page.resize((SIZE, SIZE), Image.Resampling.BOX)
    noise = rng.normal(0, 0.15, (SIZE, SIZE))
    return (np.asarray(page) / 255 + noise).astype(np.float32)[None]


def main():
    net = network().eval()
    net.load_state_dict(rsconv.load(Path(__file__).with_name("read_digits.pt")))

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 500)
    images = np.stack([render(digit, rng) for digit in labels])
    guesses = net(images).argmax(axis=1)

    for row in range(0, SIZE, 2):
        print(
            " ".join(
                "".join(" .:#"[min(3, max(0, int(4 * v)))] for v in image[0, row]) for image in images[:5]
            )
        )
    print("\nread as:", *guesses[:5])
    print(f"{np.mean(guesses == labels):.1%} of {len(labels)} digits are right")


if __name__ == "__main__":
    main()
