"""Times pooling and resampling on the CPU beside a copy that moves as many bytes.

    python benches/windows_bandwidth.py [--threads N] [--cases REGEX] [--rounds N]

The traffic of an operator is the bytes of its input and of its output. The copy beside it, of half as many
bytes from one array to a new one, is shared out among as many threads. Both take turns, and the table shows
GB/s of each one's fastest round: on a machine that does other things too, the median says more of those.
"""

import argparse
import itertools
import re
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import rsconv
from rsconv.backends import cpu
from rsconv.backends.taps import average_taps, border_taps, resize_taps
from rsconv.backends.windows import pool_window

SHAPE = (2, 64, 112, 112)


def pool(*arguments):
    return tuple(pool_window(n, *arguments) for n in SHAPE[2:])


def resample(table):
    taps = [table(n) for n in SHAPE[2:]]
    return lambda x: cpu.resample(x, taps)


def cases():
    """Each operator by name, and the dtype of its input."""
    average = {k: pool(*k) for k in [(2, 2), (3, 2, 1), (3, 1, 1)]}
    operators = {
        "max 2x2 s2": lambda x: cpu.max_pool(x, average[2, 2], False)[0],
        "max 3x3 s2 p1": lambda x: cpu.max_pool(x, average[3, 2, 1], False)[0],
        "max 3x3 s1 p1": lambda x: cpu.max_pool(x, average[3, 1, 1], False)[0],
        "average 2x2 s2": resample(lambda n: average_taps(pool_window(n, 2, 2))),
        "average 3x3 s1 p1": resample(lambda n: average_taps(pool_window(n, 3, 1, 1))),
        "global average": resample(lambda n: average_taps(pool_window(n, n, n))),
        "nearest 2x": resample(lambda n: resize_taps("nearest", n, 2 * n)),
        "bilinear 2x": resample(lambda n: resize_taps("linear", n, 2 * n)),
        "bilinear 2x corners": resample(lambda n: resize_taps("linear", n, 2 * n, None, True)),
        "bicubic 2x": resample(lambda n: resize_taps("cubic", n, 2 * n)),
        "reflect 1": resample(lambda n: border_taps(n, 1, 1, "reflect")),
        "dropout": lambda x: cpu.dropout(x, 0.5, 1, 2),
    }
    for dtype in ("float32", "float16"):
        for name, operator in operators.items():
            yield f"{name} {dtype}", operator, dtype


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=rsconv.get_num_threads())
    parser.add_argument("--cases", default="", help="only cases whose name has this regular expression")
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    rsconv.set_num_threads(options.threads)
    threads = ThreadPoolExecutor(options.threads)
    print(f"{'GB/s':<32}{'rsconv':>8}{'copy':>8}{'share':>8}")
    for name, operator, dtype in cases():
        if re.search(options.cases, name):
            rate, copied = compare(operator, dtype, threads, options)
            print(f"{name:<32}{rate:>8.1f}{copied:>8.1f}{rate / copied:>8.0%}", flush=True)


def compare(operator, dtype, threads, options):
    """GB/s of an operator and of a copy of as many bytes."""
    x = np.random.default_rng(0).standard_normal(SHAPE, np.float32).astype(dtype)
    traffic = x.nbytes + operator(x).nbytes
    source = np.ones(traffic // 2, np.uint8)
    cuts = [traffic // 2 * i // options.threads for i in range(options.threads + 1)]
    parts = [slice(*pair) for pair in itertools.pairwise(cuts)]

    def copy(source):
        target = np.empty_like(source)
        list(threads.map(lambda part: np.copyto(target[part], source[part]), parts))
        return target

    best = [float("inf")] * 2
    for _ in range(options.rounds):
        for i, (function, argument) in enumerate([(operator, x), (copy, source)]):
            start = time.perf_counter()
            function(argument)
            best[i] = min(best[i], time.perf_counter() - start)
    return tuple(traffic / seconds / 1e9 for seconds in best)


if __name__ == "__main__":
    main()
