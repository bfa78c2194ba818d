"""3-D U-Net (Cicek et al., 2016) in PyTorch's style, with instance norm, resizing and crops."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class DoubleConv(nn.Module):
    def __init__(self, in_channels: int, out_channels: int, p: float = 0.1):
        super().__init__()
        mid = max(out_channels // 2, in_channels)
        self.conv1 = nn.Conv3d(in_channels, mid, kernel_size=3, padding=1, bias=False)
        self.norm1 = nn.InstanceNorm3d(mid, affine=True)
        self.conv2 = nn.Conv3d(mid, out_channels, kernel_size=3, padding=1, bias=False)
        self.norm2 = nn.GroupNorm(4, out_channels)
        self.act = nn.LeakyReLU(0.01, inplace=True)
        self.p = p

    def forward(self, x):
        x = self.act(self.norm1(self.conv1(x)))
        x = F.dropout3d(x, self.p, training=self.training)
        return self.act(self.norm2(self.conv2(x)))


class UNet3d(nn.Module):
    def __init__(self, in_channels: int = 1, classes: int = 3, width: int = 16, depth: int = 3):
        self.depth = depth
        nn.Module.__init__(self)
        self.encoders = nn.ModuleDict()
        channels = in_channels
        for level in range(depth):
            self.encoders[f"level{level}"] = DoubleConv(channels, width << level)
            channels = width << level
        self.upsample = nn.Upsample(scale_factor=2, mode="trilinear", align_corners=False)
        self.decoders = nn.ModuleDict()
        for level in reversed(range(depth - 1)):
            self.decoders[f"level{level}"] = DoubleConv(channels + (width << level), width << level)
            channels = width << level
        self.head = nn.Conv3d(channels, classes, kernel_size=1)
        self.register_buffer("mean", torch.zeros(1))
        self.scale = nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        x = (x - self.mean) * self.scale
        skips = []
        for level, encoder in self.encoders.items():
            x = encoder(x)
            if level != f"level{self.depth - 1}":
                skips.append(x)
                x = F.max_pool3d(x, 2)
        for decoder in self.decoders.values():
            skip = skips.pop()
            x = self.upsample(x)
            # An odd size lost its last plane in the pooling.
            lost = [a - b for a, b in zip(skip.size()[2:], x.size()[2:], strict=True)]
            x = F.pad(x, [0, lost[2], 0, lost[1], 0, lost[0]], mode="replicate")
            x = decoder(torch.cat((skip, x), 1))
        return self.head(x).softmax(dim=1)


def unet3d(**kwargs):
    return UNet3d(**kwargs)
