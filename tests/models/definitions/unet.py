"""U-Net (Ronneberger et al., 2015) of two dimensions in PyTorch's style."""

import torch
import torch.nn as nn


def block(inp, out):
    return nn.Sequential(
        nn.Conv2d(inp, out, 3, padding=1),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
        nn.Conv2d(out, out, 3, padding=1),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


class UNet(nn.Module):
    def __init__(self, in_channels=3, out_channels=3, widths=(16, 32, 64, 128)):
        super().__init__()
        pairs = [(widths[i], widths[i + 1]) for i in range(len(widths) - 1)]
        self.d = nn.ModuleList([block(in_channels, widths[0])] + [block(a, b) for a, b in pairs])
        self.up = nn.ModuleList([nn.ConvTranspose2d(b, a, 2, stride=2) for a, b in reversed(pairs)])
        self.u = nn.ModuleList([block(2 * a, a) for a, _ in reversed(pairs)])
        self.pool = nn.MaxPool2d(2)
        self.head = nn.Conv2d(widths[0], out_channels, 1)

    def forward(self, x):
        skips = []
        for i, down in enumerate(self.d):
            x = down(x if i == 0 else self.pool(x))
            skips.append(x)
        skips.pop()
        for up, conv in zip(self.up, self.u, strict=True):
            x = conv(torch.cat([up(x), skips.pop()], dim=1))
        return self.head(x)


def unet(**kwargs):
    return UNet(**kwargs)
