"""Train a small U-Net to take the noise out of a photograph, on patches of that photograph.

python examples/denoise.py [PHOTO] [--out OUT.png] [--steps 300] [--device cpu]

The network learns on the upper two thirds and is judged on the lower third, which it never saw. It writes
that third clean, noisy and denoised.
"""

import argparse
from pathlib import Path

import numpy as np
import rsconv
import rsconv.nn.functional as F
from PIL import Image
from rsconv import nn, optim

NOISE = 25 / 255  # standard deviation, for pixels from 0 to 1
PATCH, BATCH = 48, 8


def block(inside, outside):
    return nn.Sequential(
        nn.Conv2d(inside, outside, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(outside, outside, 3, padding=1),
        nn.ReLU(),
    )


class UNet(nn.Module):
    """A noisy image `(N, 3, H, W)` to a clean one; H and W are multiples of 4."""

    def __init__(self, width=16):
        super().__init__()
        self.down1, self.down2 = block(3, width), block(width, 2 * width)
        self.bottom = block(2 * width, 4 * width)
        self.up2 = nn.ConvTranspose2d(4 * width, 2 * width, 2, stride=2)
        self.join2 = block(4 * width, 2 * width)
        self.up1 = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.join1 = block(2 * width, width)
        self.noise = nn.Conv2d(width, 3, 1)
        # So that an untrained network gives the image back.
        nn.init.zeros_(self.noise.weight)
        nn.init.zeros_(self.noise.bias)

    def forward(self, x):
        fine = self.down1(x)
        middle = self.down2(F.max_pool2d(fine, 2))
        coarse = self.bottom(F.max_pool2d(middle, 2))
        middle = self.join2(rsconv.cat([self.up2(coarse), middle], dim=1))
        fine = self.join1(rsconv.cat([self.up1(middle), fine], dim=1))
        return x - self.noise(fine)


def psnr(image, clean):
    """The peak signal-to-noise ratio in dB of an image from 0 to 1."""
    return -10 * np.log10(np.mean(np.square(np.clip(image, 0, 1) - clean)))


def patches(image, rng):
    """A batch of random patches `(N, 3, PATCH, PATCH)`, half of them mirrored."""
    rows = rng.integers(0, image.shape[1] - PATCH + 1, BATCH)
    columns = rng.integers(0, image.shape[2] - PATCH + 1, BATCH)
    cut = [image[:, r : r + PATCH, c : c + PATCH] for r, c in zip(rows, columns, strict=True)]
    return np.stack([patch[:, :, ::-1] if rng.random() < 0.5 else patch for patch in cut])


def noisy(image, rng):
    return image + NOISE * rng.standard_normal(image.shape, dtype=np.float32)


def train(net, image, steps, device, rng):
    optimizer = optim.Adam(net.parameters(), lr=2e-3)
    schedule = optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for step in range(steps):
        clean = patches(image, rng)
        x, y = rsconv.tensor(noisy(clean, rng), device=device), rsconv.tensor(clean, device=device)
        optimizer.zero_grad()
        loss = F.mse_loss(net(x), y)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 50 == 0 or step == steps - 1:
            print(f"step {step:4d}: {-10 * np.log10(loss.item()):.2f} dB on patches")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("photo", nargs="?", type=Path)
    parser.add_argument("--out", type=Path, default=Path("denoise.png"))
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    if given.photo is None:
        import matplotlib

        given.photo = Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg"

    photo = np.asarray(Image.open(given.photo).convert("RGB"), np.float32) / 255
    image = np.ascontiguousarray(photo.transpose(2, 0, 1))
    seam = image.shape[1] * 2 // 3
    height, width = (image.shape[1] - seam) // 4 * 4, image.shape[2] // 4 * 4
    learned, held = image[:, :seam], image[:, seam : seam + height, :width]

    rsconv.manual_seed(0)
    rng = np.random.default_rng(0)
    net = UNet().to(given.device)
    train(net, learned, given.steps, given.device, rng)

    before = noisy(held, rng)
    with rsconv.no_grad():
        after = net.eval()(before[None])[0]
    print(f"PSNR of the unseen third: {psnr(before, held):.2f} dB noisy, {psnr(after, held):.2f} dB denoised")
    sheet = np.concatenate([held, before, after], axis=1).transpose(1, 2, 0)
    Image.fromarray(np.round(255 * np.clip(sheet, 0, 1)).astype(np.uint8)).save(given.out)
    print(f"wrote {given.out}: clean, noisy, denoised")


if __name__ == "__main__":
    main()
