"""Counts what calls on a GPU cost the host: dispatches, creations, bytes, time. Needs no fast GPU.

    python benches/gpu_costs.py [--device NAME] [--rounds N] [--json FILE]

A call's first run compiles pipelines and creates buffers and bind groups; the table shows how many. A later
run must create none, or the program ends with code 1. Host time is the processor time of the calling thread,
with Tensors in, Tensors out, nothing read back and no gradient wanted; only the networks of ndarrays upload,
wait and read back, which is no cost of a dispatch and has no goal.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path

import numpy as np
import rsconv
from rsconv import functional as F
from rsconv import nn

CREATED = ("pipelines", "buffers_created", "bind_groups_created")
GOAL_MICROSECONDS = 15


def values(*shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def network(layers, channels=16):
    """`layers` convolutions, each with its ReLU."""
    parts = []
    for _ in range(layers):
        parts += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*parts).eval()


def calls(device):
    """Each call by name: a function without arguments."""

    def on(*shape):
        return rsconv.tensor(values(*shape), device=device)

    x, maps, weight, point = on(64, 64), on(1, 16, 32, 32), on(16, 16, 3, 3), on(32, 16, 1, 1)
    mean, variance = on(16), rsconv.ones(16, device=device)
    image = values(1, 16, 32, 32)
    one, twenty = network(1).to(device), network(20).to(device)
    backend = rsconv.device(device)._backend
    return {
        "relu, operator alone": lambda: backend.elementwise("relu", (x._array,)),
        "relu": lambda: F.relu(x),
        "add": lambda: x + x,
        "sum over an axis": lambda: x.sum(1),
        "softmax": lambda: F.softmax(x, 1),
        "matmul": lambda: x @ x,
        "conv2d 3x3": lambda: F.conv2d(maps, weight, padding=1),
        "conv2d 1x1": lambda: F.conv2d(maps, point),
        "max_pool2d": lambda: F.max_pool2d(maps, 2),
        "batch_norm": lambda: F.batch_norm(maps, mean, variance, mean, mean),
        "network of 1 layer": lambda: one(maps),
        "network of 20 layers": lambda: twenty(maps),
        "ndarrays, 1 layer": lambda: one(image),
        "ndarrays, 20 layers": lambda: twenty(image),
    }


def measure(call, device, rounds):
    """What the first run of a call creates, what later ones do, and the host's time for them."""

    def counted(repeats):
        before = rsconv.gpu.memory_stats(device)
        for _ in range(repeats):
            call()
        after = rsconv.gpu.memory_stats(device)
        return {name: after[name] - before[name] for name in after}

    first = counted(1)
    # Buffers that the first call's result left are found by the second, at the latest.
    counted(1)
    later = counted(5)
    times = []
    for _ in range(rounds):
        rsconv.gpu.synchronize(device)
        began = time.thread_time()
        for _ in range(20):
            call()
        times.append((time.thread_time() - began) / 20)
    dispatches = later["dispatches"] / 5
    seconds = min(times)
    return {
        "dispatches": dispatches,
        "created_first": [first[name] for name in CREATED],
        "created_later": [later[name] for name in CREATED],
        "bytes_up": later["bytes_uploaded"] // 5,
        "bytes_down": later["bytes_downloaded"] // 5,
        "microseconds": seconds * 1e6,
        "microseconds_a_dispatch": seconds * 1e6 / max(dispatches, 1),
    }


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="gpu", help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=15, help="slices of 20 calls; the fastest counts")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    options = parser.parse_args()
    # What is counted does not depend on the adapter, so software will do.
    os.environ.setdefault("RSCONV_ALLOW_SOFTWARE_GPU", "1")
    device = str(rsconv.device(options.device))
    print(f"{rsconv.device(device).name}; created: pipelines / buffers / bind groups\n")
    head = (
        "call",
        "dispatches",
        "created first",
        "created later",
        "bytes up",
        "down",
        "host us",
        "a dispatch",
    )
    print("{:<22}{:>11}{:>15}{:>15}{:>11}{:>9}{:>10}{:>12}".format(*head))
    found = {}
    for name, call in calls(device).items():
        with rsconv.no_grad():
            found[name] = row = measure(call, device, options.rounds)
        first, later = ("/".join(map(str, row[when])) for when in ("created_first", "created_later"))
        print(
            f"{name:<22}{row['dispatches']:>11g}{first:>15}{later:>15}{row['bytes_up']:>11,}"
            f"{row['bytes_down']:>9,}{row['microseconds']:>10.1f}{row['microseconds_a_dispatch']:>12.1f}"
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    slow = [
        name
        for name, row in found.items()
        if row["microseconds_a_dispatch"] > GOAL_MICROSECONDS and not name.startswith("ndarrays")
    ]
    print(f"\nAbove the goal of {GOAL_MICROSECONDS} us a dispatch: {', '.join(slow) or 'none'}.")
    growing = [name for name, row in found.items() if any(row["created_later"])]
    if growing:
        sys.exit(f"created something in later calls: {', '.join(growing)}")


if __name__ == "__main__":
    main()
