"""Times rsconv beside NumPy and, where they are installed, ONNX Runtime and PyTorch.

    python benches/run.py [--threads N] [--cases REGEX] [--rounds N] [--json FILE]

Each library lives in a process of its own, so that no thread pool disturbs another, and they take turns:
short slices of A, B, C, then again A, B, C, so that whatever else the machine does hits all alike. The table
shows GFLOP/s (of the direct method) by each one's median slice, the prepared call's share of the measured
peak, and its ratio to the best of the others. All outputs are compared; the benchmark fails where one is
wrong.
"""

import argparse
import json
import multiprocessing
import os
import platform
import re
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from peers import PEERS
from shapes import CASES

SLICE_SECONDS = 0.05
TOLERANCE = 1e-4


def main():
    options = parse()
    cases = [case for case in CASES if re.search(options.cases, case.name)]
    if not cases:
        sys.exit(f"no case matches {options.cases!r}; there are: {', '.join(case.name for case in CASES)}")
    limit_threads(options.threads)
    names = [name for name, peer in PEERS.items() if peer.installed()]
    workers = {name: Worker(name, options.threads) for name in names}

    peak = workers["rsconv"].ask("peak")
    plural = "thread" if options.threads == 1 else "threads"
    print(f"{platform.machine()}, {options.threads} {plural}, peak {peak:.0f} GFLOP/s\n")
    width = max(len(case.name) for case in cases)
    print(f"{'GFLOP/s':<{width}}" + "".join(f"{name:>14}" for name in names) + f"{'of peak':>9}{'ratio':>7}")

    records = []
    for case in cases:
        check(case, {name: worker.ask("load", case) for name, worker in workers.items()})
        slices = {name: [] for name in names}
        for _ in range(options.rounds):
            for name, worker in workers.items():
                slices[name].append(worker.ask("time"))
        seconds = {name: statistics.median(values) for name, values in slices.items()}
        rates = {name: case.flops / value / 1e9 for name, value in seconds.items()}
        share = rates["prepared"] / peak
        ratio = rates["prepared"] / max(
            rate for name, rate in rates.items() if name not in ("rsconv", "prepared")
        )
        cells = "".join(f"{rates[name]:>14.1f}" for name in names)
        print(f"{case.name:<{width}}{cells}{share:>9.0%}{ratio:>7.2f}", flush=True)
        records.append(
            {"case": case.name, "seconds": seconds, "gflops": rates, "share": share, "ratio": ratio}
        )
    for worker in workers.values():
        worker.stop()
    if options.json:
        result = {"threads": options.threads, "peak_gflops": peak, "cases": records}
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def parse():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=1, help="for each library (default: %(default)s)")
    parser.add_argument("--cases", default="", metavar="REGEX", help="only those whose name it matches")
    parser.add_argument("--rounds", type=int, default=7, help="slices of each (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there, too")
    return parser.parse_args()


def limit_threads(threads):
    """Set before the processes start, since most libraries read it when they are loaded."""
    others = (f"{library}_THREADS" for library in ("OMP_NUM", "OPENBLAS_NUM", "MKL_NUM", "VECLIB_MAXIMUM"))
    for variable in ("RSCONV_NUM_THREADS", *others):
        os.environ[variable] = str(threads)


def check(case, outputs):
    """Compare all outputs with NumPy's."""
    reference = outputs["NumPy"]
    for name, output in outputs.items():
        if output.shape != reference.shape:
            sys.exit(f"{case.name}: {name} gives the shape {output.shape}, NumPy {reference.shape}")
        error = np.abs(output - reference).max() / np.abs(reference).max()
        if not error < TOLERANCE:
            sys.exit(f"{case.name}: {name} is off by {error:.1e} of the largest output")


class Worker:
    """A process that has one library loaded and does what it is asked."""

    def __init__(self, name, threads):
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, name, threads), daemon=True)
        self._process.start()

    def ask(self, *request):
        self._pipe.send(request)
        answer = self._pipe.recv()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self):
        self._pipe.send(("stop",))
        self._process.join()


def serve(pipe, name, threads):
    """The loop of a worker."""
    peer = PEERS[name](threads)
    call = None
    while (request := pipe.recv())[0] != "stop":
        try:
            if request[0] == "load":
                call = peer.prepare(request[1])
                answer = np.asarray(call())
            elif request[0] == "time":
                answer = time_slice(call)
            else:
                answer = core_peak(threads)
        except Exception as error:
            answer = error
        pipe.send(answer)


def time_slice(call):
    """Seconds per call over a slice of time; the first call, with cold caches, does not count."""
    call()
    calls, start = 0, time.perf_counter()
    while (spent := time.perf_counter() - start) < SLICE_SECONDS or not calls:
        call()
        calls += 1
    return spent / calls


def core_peak(threads):
    """GFLOP/s of the largest tile on data in the first-level cache: what this machine can reach."""
    from rsconv import _core

    return _core.peak_gflops(threads)


if __name__ == "__main__":
    main()
