"""The model definitions in tests/models/definitions, PyTorch code, with their imports swapped."""

import functools
import re
import sys
import types
import zlib
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "models"
DEFINITIONS = FOLDER / "definitions"
# name: (file, arguments, input shape); arguments that keep them small where there is no fixture.
SMALL = {
    "resnet18": ("resnet", {"num_classes": 10, "width": 16}, (2, 3, 64, 64)),
    "resnet50": ("resnet", {"num_classes": 10, "width": 16, "zero_init_residual": True}, (2, 3, 64, 64)),
    "vgg11": ("vgg", {"num_classes": 10, "hidden": 32}, (2, 3, 32, 32)),
    "vgg16_bn": ("vgg", {"num_classes": 10, "hidden": 32}, (2, 3, 32, 32)),
    "mobilenet_v2": ("mobilenet_v2", {"num_classes": 10, "width_mult": 0.35}, (2, 3, 64, 64)),
    "mobilenet_v3_small": ("mobilenet_v3", {"num_classes": 10}, (2, 3, 64, 64)),
    "squeezenet1_1": ("squeezenet", {"num_classes": 10}, (2, 3, 64, 64)),
    "densenet121": ("densenet", {"num_classes": 10, "memory_efficient": True}, (2, 3, 64, 64)),
    "googlenet": ("googlenet", {"num_classes": 10, "transform_input": True}, (2, 3, 96, 96)),
    "efficientnet_b0": ("efficientnet", {"num_classes": 10}, (2, 3, 64, 64)),
    "shufflenet_v2_x1_0": ("shufflenet_v2", {"num_classes": 10}, (2, 3, 64, 64)),
    "convnext_tiny": ("convnext", {"num_classes": 10}, (2, 3, 32, 32)),
    "unet": ("unet", {}, (2, 3, 32, 32)),
    "unet3d": ("unet3d", {}, (2, 1, 9, 14, 16)),
    "dcgan": ("dcgan", {}, (2, 64, 1, 1)),
    "discriminator": ("dcgan", {}, (2, 3, 32, 32)),
    "blocks": ("blocks", {}, (2, 8, 4, 4)),
    "tcn": ("tcn", {"channels": 16}, (2, 1, 1000)),
}


def swapped(text):
    """The text of a definition with rsconv for torch in its imports, and in nothing else."""
    text = re.sub(r"^import torch\.nn as nn$", "from rsconv import nn", text, flags=re.M)
    text = re.sub(r"^(import|from) torch\.", r"\1 rsconv.", text, flags=re.M)
    text = re.sub(r"^from torch import", "from rsconv import", text, flags=re.M)
    return re.sub(r"^import torch$", "import rsconv as torch", text, flags=re.M)


@functools.cache
def definition(file):
    """The module of a definition, run on rsconv."""
    module = types.ModuleType(f"definition_{file}")
    # Where classes are looked up by pickle and by annotations.
    sys.modules[module.__name__] = module
    source = DEFINITIONS / f"{file}.py"
    exec(compile(swapped(source.read_text()), source, "exec"), module.__dict__)
    return module


def draw_small(name, shape):
    """A state's array by its name: weights as for ReLU, norms near the identity, biases near zero."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("num_batches_tracked"):
        return np.zeros((), np.int64)
    draws = rng.standard_normal(shape)
    if "layer_scale" in name:
        draws = 0.1 * draws
    elif len(shape) > 1:
        draws = draws * np.sqrt(2.0 / np.prod(shape[1:]))
    elif name.endswith(("weight", "running_var", "scale")):
        draws = 1 + 0.1 * np.abs(draws)
    else:
        draws = 0.1 * draws
    return np.asarray(draws, np.float32)


def input_of(shape):
    return np.random.default_rng(0).standard_normal(shape).astype(np.float32)


def without_chance(network):
    """A network of either library with dropout and stochastic depth off, so that training is compared."""
    for module in network.modules():
        if isinstance(getattr(module, "p", None), float):
            module.p = 0.0
        if hasattr(module, "drop_rate"):
            module.drop_rate = 0.0
    return network


def fingerprint(state):
    """The names and shapes of a state dict, in order, as a number."""
    text = ";".join(f"{name}:{tuple(value.shape)}" for name, value in state.items())
    return zlib.crc32(text.replace(" ", "").encode())
