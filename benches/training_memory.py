"""Peak memory and time of a 3-D U-Net's training step, beside PyTorch's.

    python benches/training_memory.py [--size 64] [--width 16] [--threads 2] [--rounds 3] [--json FILE]

Each library runs the same definition in a process of its own. The peak is what resident memory grew to beyond
the weights, the input and the library itself, over steps of forward, backward and SGD; Linux only, where
/proc/self/status has it. PyTorch is left out where it is not installed.
"""

import argparse
import importlib
import importlib.util
import json
import subprocess
import sys
import time
from pathlib import Path


def memory(what):
    """A line of /proc/self/status in MiB: VmRSS now, VmHWM the most so far."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(what):
            return int(line.split()[1]) / 1024
    raise SystemExit("/proc/self/status does not say how much memory is used")


def network(nn, cat, width):
    """Two levels down and up, batch normalization and ReLU in place after each convolution."""

    def block(channels, out):
        layers = []
        for inside in (channels, out):
            layers += [nn.Conv3d(inside, out, 3, padding=1, bias=False), nn.BatchNorm3d(out)]
            layers.append(nn.ReLU(inplace=True))
        return nn.Sequential(*layers)

    class UNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.down1, self.down2 = block(1, width), block(width, 2 * width)
            self.bottom = block(2 * width, 4 * width)
            self.raise2 = nn.ConvTranspose3d(4 * width, 2 * width, 2, stride=2)
            self.up2 = block(4 * width, 2 * width)
            self.raise1 = nn.ConvTranspose3d(2 * width, width, 2, stride=2)
            self.up1 = block(2 * width, width)
            self.head = nn.Conv3d(width, 1, 1)
            self.pool = nn.MaxPool3d(2)

        def forward(self, x):
            first = self.down1(x)
            second = self.down2(self.pool(first))
            x = self.raise2(self.bottom(self.pool(second)))
            x = self.raise1(self.up2(cat([second, x], 1)))
            return self.head(self.up1(cat([first, x], 1)))

    return UNet()


def measure(library, size, width, threads, rounds):
    """Peak in MiB and the seconds of each step, in this process."""
    torch = importlib.import_module(library)
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    net = network(importlib.import_module(f"{library}.nn"), torch.cat, width)
    optimizer = importlib.import_module(f"{library}.optim").SGD(net.parameters(), lr=1e-3)
    x, target = torch.rand(1, 1, size, size, size), torch.rand(1, 1, size, size, size)
    before, seconds = memory("VmRSS"), []
    for _ in range(rounds):
        start = time.perf_counter()
        optimizer.zero_grad()
        loss = (net(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        seconds.append(time.perf_counter() - start)
    return {"peak_mib": memory("VmHWM") - before, "seconds": seconds, "loss": float(loss.item())}


def main():
    """Run each library in a process of its own and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--width", type=int, default=16)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--library", choices=["rsconv", "torch"], help=argparse.SUPPRESS)
    given = parser.parse_args()
    settings = (given.size, given.width, given.threads, given.rounds)
    if given.library:
        print(json.dumps(measure(given.library, *settings)))
        return
    results = {}
    for library in ("rsconv", "torch"):
        if importlib.util.find_spec(library) is None:
            continue
        names = ("--size", "--width", "--threads", "--rounds")
        options = [str(part) for pair in zip(names, settings, strict=True) for part in pair]
        command = [sys.executable, __file__, "--library", library, *options]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        results[library] = json.loads(done.stdout)
    print(f"3-D U-Net, width {given.width}, 1 x 1 x {given.size}^3, {given.threads} threads")
    print(f"{'':8} {'peak MiB':>9} {'step s':>8} {'loss':>10}")
    for library, found in results.items():
        print(f"{library:8} {found['peak_mib']:9.0f} {min(found['seconds']):8.3f} {found['loss']:10.6f}")
    if given.json:
        given.json.write_text(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
