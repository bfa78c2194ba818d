"""A temporal network of gated, dilated, causal convolutions (van den Oord et al., 2016; Bai et al., 2018)."""

import torch
from torch import nn
from torch.nn import functional as F


class TCN(nn.Module):
    def __init__(self, channels=48, layers=6, classes=12):
        super().__init__()
        self.dilations = [2**i for i in range(layers)]
        self.inp = nn.Conv1d(1, channels, 16, stride=4)
        self.convs = nn.ModuleList(
            nn.Conv1d(channels, 2 * channels, 3, dilation=dilation) for dilation in self.dilations
        )
        self.res = nn.ModuleList([nn.Conv1d(channels, channels, 1) for _ in self.dilations])
        self.head = nn.Linear(channels, classes)

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        x = self.inp(x)
        for dilation, conv, res in zip(self.dilations, self.convs, self.res, strict=True):
            filtered, gate = torch.chunk(conv(F.pad(x, (2 * dilation, 0))), 2, dim=1)
            x = x + res(torch.tanh(filtered) * torch.sigmoid(gate))
        return self.head(x.mean(-1))


def tcn(**kwargs):
    return TCN(**kwargs)
