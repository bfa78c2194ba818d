"""Parts that published networks have beside plain layers, in PyTorch's style, in one network."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn import Parameter, init
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.utils import _pair


class CBAM(nn.Module):
    """Woo et al., 2018: attention over channels, then over space."""

    def __init__(self, channels, reduction=4):
        super(CBAM, self).__init__()  # noqa: UP008
        self.mlp = nn.Sequential(
            nn.Linear(channels, channels // reduction), nn.ReLU(), nn.Linear(channels // reduction, channels)
        )
        self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        b, c, _, _ = x.size()
        pooled = self.mlp(F.adaptive_avg_pool2d(x, 1).view(b, c))
        pooled += self.mlp(F.adaptive_max_pool2d(x, 1).view(b, c))
        x = x * torch.sigmoid(pooled).unsqueeze(2).unsqueeze(3).expand_as(x)
        maps = torch.cat((torch.max(x, 1)[0].unsqueeze(1), torch.mean(x, 1).unsqueeze(1)), dim=1)
        return x * self.conv(maps).sigmoid()


class NonLocal(nn.Module):
    """Wang et al., 2018: each pixel sees all others."""

    def __init__(self, channels):
        super().__init__()
        self.q, self.k, self.v = (nn.Conv2d(channels, channels // 2, 1) for _ in range(3))
        self.out = nn.Conv2d(channels // 2, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        B, C, H, W = x.shape
        q = self.q(x).view(B, -1, H * W).permute(0, 2, 1)
        attention = F.softmax(torch.bmm(q, self.k(x).view(B, -1, H * W)) / math.sqrt(C // 2), dim=-1)
        y = torch.bmm(self.v(x).view(B, -1, H * W), attention.permute(0, 2, 1))
        return self.gamma * self.out(y.contiguous().view(B, C // 2, *x.size()[2:])) + x


class WindowAttention(nn.Module):
    """Liu et al., 2021: attention in shifted windows with a table of relative places."""

    def __init__(self, dim, window=2, heads=2):
        super().__init__()
        self.window, self.heads, self.scale = _pair(window), heads, (dim // heads) ** -0.5
        self.table = Parameter(torch.zeros((2 * window - 1) * (2 * window - 1), heads))
        coords = torch.stack(torch.meshgrid([torch.arange(window), torch.arange(window)], indexing="ij"))
        coords = coords.flatten(1)
        relative = (coords[:, :, None] - coords[:, None, :]).permute(1, 2, 0).contiguous()
        relative[:, :, 0] += window - 1
        relative[:, :, 1] += window - 1
        relative[:, :, 0] *= 2 * window - 1
        self.register_buffer("index", relative.sum(-1), persistent=False)
        self.qkv = nn.Linear(dim, dim * 3)
        self.proj = nn.Linear(dim, dim)
        init.trunc_normal_(self.table, std=0.02)

    def forward(self, x):
        B, C, H, W = x.shape
        w = self.window[0]
        x = torch.roll(x, shifts=(-1, -1), dims=(2, 3)).permute(0, 2, 3, 1)
        x = x.reshape(B, H // w, w, W // w, w, C).permute(0, 1, 3, 2, 4, 5).reshape(-1, w * w, C)
        qkv = self.qkv(x).reshape(x.shape[0], w * w, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = qkv[0], qkv[1], qkv[2]
        attention = (q * self.scale) @ k.transpose(-2, -1)
        bias = self.table[self.index.view(-1)].view(w * w, w * w, -1).permute(2, 0, 1).contiguous()
        attention = (attention + bias.unsqueeze(0)).softmax(dim=-1)
        x = self.proj((attention @ v).transpose(1, 2).reshape(-1, w * w, C))
        x = x.view(B, H // w, W // w, w, w, C).permute(0, 1, 3, 2, 4, 5).reshape(B, H, W, C)
        return torch.roll(x, (1, 1), (1, 2)).permute(0, 3, 1, 2)


class ActNorm(nn.Module):
    """Kingma and Dhariwal, 2018: a norm that its first input initialises."""

    def __init__(self, channels):
        super().__init__()
        self.loc = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.scale = nn.Parameter(torch.ones(1, channels, 1, 1))
        self.register_buffer("initialized", torch.tensor(0, dtype=torch.uint8), persistent=False)

    @torch.no_grad()
    def initialize(self, x):
        flat = x.permute(1, 0, 2, 3).contiguous().view(x.shape[1], -1)
        self.loc.data.copy_(-flat.mean(1).view(1, -1, 1, 1))
        self.scale.data.copy_(1 / (flat.std(1) + 1e-6).view(1, -1, 1, 1))
        self.initialized.fill_(1)

    def forward(self, x):
        if self.initialized.item() == 0:
            self.initialize(x)
        return self.scale * (x + self.loc)


class GDN(nn.Module):
    """Balle et al., 2016: divisive normalization."""

    def __init__(self, channels):
        super().__init__()
        self.beta = nn.Parameter(torch.ones(channels))
        self.gamma = nn.Parameter(0.1 * torch.eye(channels))

    def forward(self, x):
        C = x.size(1)
        gamma = self.gamma.clamp(min=1e-6).view(C, C, 1, 1)
        return x * torch.rsqrt(F.conv2d(x**2, gamma, self.beta.abs() + 0.5))


class WSConv2d(nn.Conv2d):
    """Qiao et al., 2019: the weight is standardised."""

    def forward(self, x):
        v, m = torch.var_mean(self.weight, dim=[1, 2, 3], keepdim=True, unbiased=False)
        return self._conv_forward(x, (self.weight - m) / torch.sqrt(v + 1e-5), self.bias)


class DynamicConv(nn.Module):
    """Yang et al., 2019: a mixture of weights for each sample, as one grouped convolution."""

    def __init__(self, channels, experts=2):
        super().__init__()
        weights = [nn.Parameter(0.1 * torch.randn(channels, channels, 3, 3)) for _ in range(experts)]
        self.experts = nn.ParameterList(weights)
        self.route = nn.Linear(channels, experts)

    def forward(self, x):
        b, c, h, w = x.shape
        routes = self.route(x.mean((-2, -1))).softmax(-1)
        mixed = torch.einsum("bn,noihw->boihw", routes, torch.stack(list(self.experts)))
        y = F.conv2d(x.reshape(1, b * c, h, w), mixed.reshape(b * c, c, 3, 3), padding=1, groups=b)
        return y.view(b, c, h, w)


class PositionalEncoding(nn.Module):
    """Vaswani et al., 2017."""

    def __init__(self, dim, length=64):
        super().__init__()
        pe = torch.zeros(length, dim)
        position = torch.arange(0, length, dtype=torch.float).unsqueeze(1)
        rate = torch.exp(torch.arange(0, dim, 2).float() * (-math.log(10000.0) / dim))
        pe[:, 0::2] = torch.sin(position * rate)
        pe[:, 1::2] = torch.cos(position * rate)
        self.register_buffer("pe", pe.unsqueeze(0), persistent=False)

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class Blocks(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.cbam, self.nonlocal_, self.window = CBAM(channels), NonLocal(channels), WindowAttention(channels)
        self.actnorm, self.gdn = ActNorm(channels), GDN(channels)
        self.conv, self.dynamic = WSConv2d(channels, channels, 3, padding=1), DynamicConv(channels)
        self.encoding, self.bn = PositionalEncoding(channels), nn.BatchNorm2d(channels)
        assert sum(isinstance(m, _BatchNorm) for m in self.modules()) == 1

    def forward(self, x):
        x = self.cbam(x) + self.nonlocal_(x) + self.window(x)
        x = self.gdn(self.actnorm(x))
        x = self.dynamic(F.elu(self.conv(x)))
        x = self.encoding(x.flatten(2).transpose(1, 2)).transpose(1, 2).view_as(x)
        return self.bn(x)


def train(net, x, steps=3):
    """Losses and gradient norms of steps with a gradient penalty, and the norm of the averaged weights."""
    average = torch.nn.utils.parameters_to_vector(net.parameters()).detach().clone()
    x = x.clone().requires_grad_(True)
    plain = [p for p in net.parameters() if p.ndim <= 1]
    groups = [{"params": plain, "weight_decay": 0.0}, {"params": [p for p in net.parameters() if p.ndim > 1]}]
    optimizer = torch.optim.AdamW(groups, lr=1e-2)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5**step)
    found = []
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        y = net(x)
        loss = F.mse_loss(y, torch.ones_like(y)) + 0.1 * sum((p**2).sum() for p in net.parameters())
        (slope,) = torch.autograd.grad(y.abs().sum(), x, create_graph=True)
        loss = loss + ((slope.reshape(slope.size(0), -1).norm(2, dim=1) - 1) ** 2).mean()
        loss.backward()
        norm = nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        scheduler.step()
        with torch.no_grad():
            average.mul_(0.9).add_(nn.utils.parameters_to_vector(net.parameters()), alpha=0.1)
        found += [loss.item(), norm.item()]
    return [*found, average.norm().item()]


def blocks(**kwargs):
    return Blocks(**kwargs)
