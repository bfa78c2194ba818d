"""Times training steps of whole networks beside PyTorch, if that is installed, and shows where the time goes.

    python benches/training.py [--threads 2] [--rounds 7] [--networks REGEX] [--profile]

A step is forward, backward and SGD with momentum. One definition (tests/models/definitions, without dropout)
runs on both libraries, from the same weights, in a process of its own for each; they take turns, a step of A
and a step of B, so that whatever else the machine does hits both alike. It fails where their losses differ.
`--profile` prints rsconv's operators of one step instead.
"""

import argparse
import re
import statistics
import sys
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from run import limit_threads

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from model_definitions import DEFINITIONS, definition, draw_small, input_of, without_chance

# name: (file of the definition, its function, arguments, shape of the input, classes or None for a map)
NETWORKS = {
    "ResNet-18, 8 x 3 x 64 x 64": ("resnet", "resnet18", {"num_classes": 10}, (8, 3, 64, 64), 10),
    "3-D U-Net, 1 x 1 x 32 x 64 x 64": ("unet3d", "unet3d", {}, (1, 1, 32, 64, 64), None),
}
STEPS = 3  # whose losses are compared


class Rsconv:
    def __init__(self, threads):
        import rsconv
        from rsconv.nn import functional as F

        self.torch, self.F = rsconv, F

    def module(self, file):
        return definition(file)

    def tensor(self, array):
        return self.torch.from_numpy(array)


class PyTorch(Rsconv):
    def __init__(self, threads):
        import torch
        from torch.nn import functional as F

        torch.set_num_threads(threads)
        self.torch, self.F = torch, F

    def module(self, file):
        import importlib

        sys.path.insert(0, str(DEFINITIONS))
        return importlib.import_module(file)


def trainer(library, name):
    """A function that does one step of a network and gives its loss."""
    file, function, args, shape, classes = NETWORKS[name]
    network = getattr(library.module(file), function)(**args)
    state = {key: library.tensor(draw_small(key, tuple(v.shape))) for key, v in network.state_dict().items()}
    network.load_state_dict(state)
    without_chance(network).train()
    optimizer = library.torch.optim.SGD(network.parameters(), lr=1e-3, momentum=0.9)
    x = library.tensor(input_of(shape))
    rng = np.random.default_rng(1)
    if classes is None:
        with library.torch.no_grad():
            target = library.tensor(rng.standard_normal(tuple(network(x).shape)).astype(np.float32))
        network.load_state_dict(state)
    else:
        target = library.tensor(rng.integers(0, classes, shape[0]))

    def step():
        y = network(x)
        loss = library.F.mse_loss(y, target) if classes is None else library.F.cross_entropy(y, target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def serve(pipe, kind, threads):
    """The loop of a library's process: a network's name gives its first losses, None the time of a step."""
    library, step = kind(threads), None
    while True:
        try:
            request = pipe.recv()
        except EOFError:
            return
        if request is None:
            begin = time.perf_counter()
            step()
            pipe.send(time.perf_counter() - begin)
        elif request == "profile":
            with library.torch.profiler():
                step()
            pipe.send(None)
        else:
            step = trainer(library, request)
            pipe.send([step() for _ in range(STEPS)])


def start(kind, threads):
    context = get_context("spawn")
    pipe, other = context.Pipe()
    context.Process(target=serve, args=(other, kind, threads), daemon=True).start()

    def ask(request):
        pipe.send(request)
        return pipe.recv()

    return ask


def main():
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("--threads", type=int, default=2, help="for each library (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7, help="steps of each (default: %(default)s)")
    parser.add_argument("--networks", default="", metavar="REGEX", help="only those whose name it matches")
    parser.add_argument("--profile", action="store_true", help="print rsconv's operators of a step")
    given = parser.parse_args()
    limit_threads(given.threads)
    names = [name for name in NETWORKS if re.search(given.networks, name)]
    libraries = {"rsconv": start(Rsconv, given.threads)}
    try:
        if not given.profile:
            import torch  # noqa: F401

            libraries["PyTorch"] = start(PyTorch, given.threads)
    except ImportError:
        print("PyTorch is not installed")
    for name in names:
        losses = {library: ask(name) for library, ask in libraries.items()}
        if given.profile:
            print(f"\n{name}, {given.threads} threads", flush=True)
            libraries["rsconv"]("profile")
            continue
        for library, found in losses.items():
            if not np.allclose(found, losses["rsconv"], rtol=1e-3):
                sys.exit(f"{name}: the losses of {library} are {found}, of rsconv {losses['rsconv']}")
        times = {library: [] for library in libraries}
        for _ in range(given.rounds):
            for library, ask in libraries.items():
                times[library].append(ask(None))
        medians = {library: statistics.median(values) for library, values in times.items()}
        cells = ", ".join(f"{library} {1e3 * seconds:.1f} ms" for library, seconds in medians.items())
        ratio = medians["PyTorch"] / medians["rsconv"] if "PyTorch" in medians else float("nan")
        print(f"{name}, {given.threads} threads: {cells}; ratio {ratio:.2f}", flush=True)


if __name__ == "__main__":
    main()
