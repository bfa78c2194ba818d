"""The layout of `torch.nn.modules`, so that `from rsconv.nn.modules.batchnorm import _BatchNorm` works.

Model code imports the bases of layers from there, for `isinstance`. The layers themselves live beside this
package, under the names of the field.
"""

import sys
from types import ModuleType
from typing import Any

from ...names import missing_attribute
from .. import (
    activation,
    adaptive_pooling,
    batch_norm,
    container,
    conv,
    distance,
    dropout,
    embedding,
    fold,
    instance_norm,
    layer_norm,
    layout,
    lazy,
    lazy_conv,
    lazy_norm,
    linear,
    losses,
    module,
    padding,
    parameter_containers,
    piecewise_linear,
    pooling,
    prelu,
    shuffle,
    softmax,
    upsampling,
)
from . import utils

_LAYOUT: dict[str, list[ModuleType]] = {
    "activation": [piecewise_linear, activation, prelu, softmax],
    "batchnorm": [batch_norm, lazy_norm],
    "channelshuffle": [shuffle],
    "container": [container, parameter_containers],
    "conv": [conv, lazy_conv],
    "distance": [distance],
    "dropout": [dropout],
    "flatten": [layout],
    "fold": [fold],
    "instancenorm": [instance_norm, lazy_norm],
    "lazy": [lazy],
    "linear": [linear, layout],
    "loss": [losses],
    "module": [module],
    "normalization": [layer_norm],
    "padding": [padding],
    "pixelshuffle": [shuffle],
    "pooling": [pooling, adaptive_pooling],
    "sparse": [embedding],
    "upsampling": [upsampling],
}
# Bases that have another name here.
_ALIASES: dict[str, dict[str, Any]] = {
    "batchnorm": {"_NormBase": batch_norm.NormWithStatistics},
    "conv": {"_ConvTransposeNd": conv._ConvTranspose},
    "lazy": {"LazyModuleMixin": lazy.Lazy},
}


def _registered(name: str, sources: list[ModuleType]) -> ModuleType:
    made = ModuleType(f"{__name__}.{name}", f"The classes of torch.nn.modules.{name}.")
    for source in sources:
        classes = {key: value for key, value in vars(source).items() if isinstance(value, type)}
        made.__dict__.update({k: v for k, v in classes.items() if v.__module__ == source.__name__})
    made.__dict__.update(_ALIASES.get(name, {}))
    sys.modules[made.__name__] = made
    return made


_modules = {name: _registered(name, sources) for name, sources in _LAYOUT.items()}
_classes = {
    name: value for made in _modules.values() for name, value in vars(made).items() if isinstance(value, type)
}
# In the place of the modules of the same names that they were made from.
globals().update(_modules)

__all__ = ["utils"]


def __getattr__(name: str) -> Any:
    """A class of one of the modules."""
    if name in _classes:
        return _classes[name]
    raise missing_attribute(f"module {__name__!r}", name, [*_modules, *_classes])
