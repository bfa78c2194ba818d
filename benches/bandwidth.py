"""Times operators that memory limits against copying: bytes read and written per second, and a copy's.

    python benches/bandwidth.py [--threads N ...] [--cases REGEX] [--megabytes N] [--rounds N] [--json F]

The yardstick is np.copyto between arrays of the same size, cut among as many threads as the operator has.
A copy to a new array costs page faults, as every operator's result does. Each round times the copies and then
every case; the table shows medians over rounds.
"""

import argparse
import json
import re
import statistics
import threading
import time
from pathlib import Path

import numpy as np
import rsconv
from rsconv.backends import cpu

CHANNELS = 64


def cases(x, y, channel):
    """`(name, bytes read and written, call)` over float32 arrays of shape (N, C, H, W)."""
    size = x.nbytes
    scale, shift = channel[:, None, None], channel[:, None, None] + 1
    rows = x.reshape(-1, 1024)
    return [
        ("relu", 2 * size, lambda: cpu.elementwise("relu", [x])),
        ("add", 3 * size, lambda: cpu.elementwise("add", [x, y])),
        ("add a number", 2 * size, lambda: cpu.elementwise("add", [x, 1.5])),
        ("multiply_add by channel", 2 * size, lambda: cpu.elementwise("multiply_add", [x, scale, shift])),
        ("less", 1.25 * size, lambda: cpu.elementwise("lt", [x, 0.0])),
        ("gelu", 2 * size, lambda: cpu.elementwise("gelu", [x])),
        ("gelu_grad", 3 * size, lambda: cpu.elementwise("gelu_grad", [x, y])),
        ("exp", 2 * size, lambda: cpu.elementwise("exp", [x])),
        ("sum of all", size, lambda: cpu.reduce("sum", x, (0, 1, 2, 3))),
        ("sum by channel", size, lambda: cpu.reduce("sum", x, (0, 2, 3))),
        ("sum over channels", size, lambda: cpu.reduce("sum", x, (1,))),
        ("max of rows", size, lambda: cpu.reduce("max", rows, (1,))),
        ("sum of columns", size, lambda: cpu.reduce("sum", rows, (0,))),
        ("moments by channel", size, lambda: cpu.moments(x, (0, 2, 3))),
        ("softmax of rows", 2 * size, lambda: cpu.softmax(rows, 1, False)),
        ("softmax over channels", 2 * size, lambda: cpu.softmax(x, 1, False)),
    ]


def copy_by(threads, target, source):
    """np.copyto in equal parts."""
    parts = list(
        zip(np.array_split(target.ravel(), threads), np.array_split(source.ravel(), threads), strict=True)
    )
    workers = [threading.Thread(target=np.copyto, args=part) for part in parts[1:]]
    for worker in workers:
        worker.start()
    np.copyto(*parts[0])
    for worker in workers:
        worker.join()


def seconds(call):
    start = time.perf_counter()
    result = call()
    elapsed = time.perf_counter() - start
    del result
    return elapsed


def measure(threads, options):
    rsconv.set_num_threads(threads)
    side = 56
    images = max(1, round(options.megabytes * 2**20 / 4 / CHANNELS / side**2 / 16)) * 16
    rng = np.random.default_rng(0)
    x = rng.standard_normal((images, CHANNELS, side, side), np.float32)
    y, target = x[::-1].copy(), np.zeros_like(x)
    channel = rng.standard_normal(CHANNELS, np.float32)
    copies = [
        ("copy", 2 * x.nbytes, lambda: copy_by(threads, target, x)),
        ("copy to a new array", 2 * x.nbytes, lambda: copy_by(threads, np.empty_like(x), x)),
    ]
    chosen = [case for case in cases(x, y, channel) if re.search(options.cases, case[0])]
    times = {name: [] for name, _, _ in copies + chosen}
    for _, _, call in copies + chosen:
        call()
    for _ in range(options.rounds):
        for name, _, call in copies + chosen:
            times[name].append(seconds(call))
    rates = {name: size / statistics.median(times[name]) / 1e9 for name, size, _ in copies + chosen}
    print(f"{x.nbytes / 2**20:.0f} MiB, {threads} thread{'s' * (threads > 1)}{'GB/s':>21}  of copy")
    for name, rate in rates.items():
        print(f"{name:<28}{rate:>12.1f}{rate / rates['copy']:>9.0%}")
    print(flush=True)
    return {"threads": threads, "bytes": x.nbytes, "gigabytes_per_second": rates}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2], help="(default: 1 2)")
    parser.add_argument("--cases", default="", metavar="REGEX", help="only those whose name it matches")
    parser.add_argument("--megabytes", type=float, default=64, help="of an array (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9, help="(default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    options = parser.parse_args()
    results = [measure(threads, options) for threads in options.threads]
    if options.json:
        options.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
