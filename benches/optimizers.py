"""Times the steps of optimizers on the CPU beside PyTorch's, if that is installed, and beside a copy.

    python benches/optimizers.py [--threads N] [--rounds N] [--clock cpu]

All take turns; the table shows the fastest round of each. "large" is one float32 parameter of 10 million
elements, for which GB/s count every array that is read or written; "small" are 62 parameters of 1000 elements
each, of which microseconds a parameter are shown. PyTorch runs as by default, and with fused=True.

On a machine that does other things too, wall time compares who was left alone: there use --clock cpu, the
time that the process computed, with one thread, so that no thread's waiting for another counts.
"""

import argparse
import time

import numpy as np
import rsconv

# Name, options, arrays read or written.
CASES = [
    ("SGD", {}, 3),
    ("SGD", {"momentum": 0.9}, 5),
    ("Adam", {}, 7),
    ("AdamW", {"amsgrad": True}, 9),
    ("RMSprop", {}, 5),
    ("RMSprop", {"centered": True, "momentum": 0.9}, 9),
]
SIZES = {"large": (10_000_000, 1), "small": (1000, 62)}


def ours(name, options, size, count):
    params = [rsconv.Parameter(rsconv.ones(size)) for _ in range(count)]
    for param in params:
        param.grad = rsconv.full((size,), 0.5)
    return getattr(rsconv.optim, name)(params, **options).step


def theirs(torch, name, options, size, count):
    params = [torch.nn.Parameter(torch.ones(size)) for _ in range(count)]
    for param in params:
        param.grad = torch.full((size,), 0.5)
    return getattr(torch.optim, name)(params, **options).step


def fastest(steps, rounds, clock):
    """Seconds of the fastest round of each, after one that makes the state."""
    best = {name: float("inf") for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            start = clock()
            step()
            if turn:
                best[name] = min(best[name], clock() - start)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=rsconv.get_num_threads())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--clock", choices=("wall", "cpu"), default="wall")
    options = parser.parse_args()
    clock = time.process_time if options.clock == "cpu" else time.perf_counter
    rsconv.set_num_threads(options.threads)
    try:
        import torch

        torch.set_num_threads(options.threads)
    except ImportError:
        torch = None
    x = np.ones(20_000_000, np.float32)
    y = np.empty_like(x)
    copied = fastest({"copy": lambda: np.copyto(y, x)}, options.rounds, clock)["copy"]
    speed = 2 * x.nbytes / copied / 1e9
    print(f"{options.threads} threads, {options.clock} time; a copy by one thread: {speed:.1f} GB/s")
    print(f"{'':46}{'rsconv':>10}{'PyTorch':>10}{'fused':>10}")
    for which, (size, count) in SIZES.items():
        for name, settings, arrays in CASES:
            steps = {"rsconv": ours(name, settings, size, count)}
            if torch is not None:
                steps["PyTorch"] = theirs(torch, name, settings, size, count)
                if name != "RMSprop":
                    steps["fused"] = theirs(torch, name, {**settings, "fused": True}, size, count)
            best = fastest(steps, options.rounds, clock)
            total = 4 * arrays * size * count
            cells = [
                f"{total / seconds / 1e9:5.1f} GB/s"
                if which == "large"
                else f"{seconds / count * 1e6:7.1f} us"
                for seconds in best.values()
            ]
            text = ", ".join(f"{key}={value}" for key, value in settings.items())
            print(f"{which} {f'{name}({text})':40}" + "".join(f"{cell:>10}" for cell in cells))


if __name__ == "__main__":
    main()
