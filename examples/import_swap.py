"""A model definition written for PyTorch runs on NumPy arrays: only the imports name rsconv.

python examples/import_swap.py
"""

import numpy as np
import rsconv as torch
import rsconv.nn.functional as F
from rsconv import nn


class Block(nn.Module):
    def __init__(self, channels):
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.pointwise = nn.Conv2d(channels, channels, 1)
        self.act = nn.ReLU()

    def forward(self, x):
        return x + self.act(self.pointwise(self.depthwise(x)))


class Autoencoder(nn.Module):
    def __init__(self, channels=8, blocks=2):
        super().__init__()
        self.down = nn.Conv2d(3, channels, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*[Block(channels) for _ in range(blocks)])
        self.up = nn.ConvTranspose2d(channels, 3, 2, stride=2)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")

    def forward(self, x):
        height, width = x.shape[-2:]
        x = F.pad(x, (0, width % 2, 0, height % 2), mode="replicate")
        y = self.up(self.blocks(F.relu(self.down(x))))
        return y[:, :, :height, :width]


def main():
    torch.manual_seed(0)
    model = Autoencoder().eval()
    print(model)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters")

    x = np.random.default_rng(0).standard_normal((2, 3, 33, 47), dtype=np.float32)
    with torch.no_grad():
        y = model(x)
    print(f"{type(x).__name__} {x.shape} -> {type(y).__name__} {y.shape}")

    # A checkpoint written here loads in PyTorch, and the other way round: same keys, same shapes.
    print(*list(model.state_dict())[:4], "...", sep=", ")


if __name__ == "__main__":
    main()
