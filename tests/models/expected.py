"""Write what PyTorch computes with the definitions: expected.npz and resnet.pt, which the tests compare with.

PYTHONPATH=tests python tests/models/expected.py      # needs PyTorch; run after a definition has changed
"""

import importlib
import sys
import warnings

import numpy as np
import torch
from model_definitions import DEFINITIONS, FOLDER, SMALL, draw_small, fingerprint, input_of, without_chance

sys.path.insert(0, str(DEFINITIONS))


def network(name):
    file, args, shape = SMALL[name]
    made = getattr(importlib.import_module(file), name)(**args)
    state = {key: torch.from_numpy(draw_small(key, value.shape)) for key, value in made.state_dict().items()}
    made.load_state_dict(state)
    return without_chance(made), torch.from_numpy(input_of(shape))


def main():
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found = {}
    for name in SMALL:
        net, x = network(name)
        found[f"{name} state"] = np.array(fingerprint(net.state_dict()), np.int64)
        with torch.no_grad():
            found[f"{name} eval"] = net.eval()(x).numpy()
        net.double().train()
        y = net(x.double())
        loss = sum((part**2).mean() for part in (y if isinstance(y, tuple) else (y,)))
        loss.backward()
        found[f"{name} loss"] = loss.detach().numpy()
        found[f"{name} gradients"] = np.array([p.grad.norm().item() for p in net.parameters()])
    net, x = network("blocks")
    found["blocks trained"] = np.array(importlib.import_module("blocks").train(net.double(), x.double()))
    resnet = importlib.import_module("resnet")
    torch.manual_seed(0)
    tiny = resnet.ResNet(resnet.BasicBlock, [1, 1, 1, 1], num_classes=4, width=2)
    tiny.train()(torch.from_numpy(input_of((4, 3, 32, 32))))
    torch.save(tiny.state_dict(), FOLDER / "resnet.pt")
    with torch.no_grad():
        found["resnet.pt"] = tiny.eval()(torch.from_numpy(input_of((2, 3, 32, 32)))).numpy()
    np.savez_compressed(FOLDER / "expected.npz", **found)


if __name__ == "__main__":
    main()
