"""Find the edges of a photograph with two 3 x 3 filters: arrays in, arrays out, no framework.

python examples/edges.py [PHOTO] [OUT.png]
"""

import sys
from pathlib import Path

import numpy as np
import rsconv.functional as F
from PIL import Image


def edges(image):
    """The strength of the edges of a greyscale image `(height, width)`, by Sobel's filters."""
    smooth, difference = np.float32([1, 2, 1]), np.float32([-1, 0, 1])
    sobel = np.stack([np.outer(smooth, difference), np.outer(difference, smooth)])[:, None]
    gradient = F.conv2d(image[None], sobel, padding="same", padding_mode="reflect")
    return np.hypot(gradient[0], gradient[1])


def main():
    arguments = sys.argv[1:]
    if arguments:
        photo = Path(arguments[0])
    else:
        import matplotlib

        photo = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"
    out = Path(arguments[1] if len(arguments) > 1 else "edges.png")

    image = np.asarray(Image.open(photo).convert("L"), np.float32)
    strength = edges(image)
    pixels = np.clip(255 * strength / np.percentile(strength, 99), 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(out)
    print(f"{np.mean(pixels > 127):.1%} of {photo.name} is edge; wrote {out}")


if __name__ == "__main__":
    main()
