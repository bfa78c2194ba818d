"""The exceptions of rsconv: each names the arguments at fault and gives their values.

PyTorch raises RuntimeError for what Python calls a bad value, so most of these are both, and code that
catches either works. The compiled core raises the same classes.
"""

__all__ = [
    "ArgumentError",
    "BindingTooLarge",
    "DeviceError",
    "DtypeError",
    "GpuError",
    "GradientError",
    "InternalError",
    "OutOfMemoryError",
    "ShapeError",
    "WeightsError",
]


class ShapeError(ValueError, RuntimeError):
    """Shapes that do not fit each other, or leave no output."""


class ArgumentError(ValueError, RuntimeError):
    """A stride, a mode, a padding or another argument has a value that is not allowed."""


class DtypeError(TypeError, ValueError, RuntimeError):
    """A dtype that is not supported, or dtypes that differ where they must agree."""


class DeviceError(ValueError, RuntimeError):
    """A device that does not exist, cannot run the operator, or differs between two arguments."""


class GradientError(RuntimeError):
    """Gradients that cannot be computed: no graph, one used before, a Tensor that was written to since."""


def no_cuda() -> DeviceError:
    """What `cuda()` of a Tensor or Module raises."""
    return DeviceError(
        'rsconv has no CUDA; Tensors and Modules go to any GPU by to("gpu"), and rsconv.devices() lists them'
    )


class WeightsError(ValueError, RuntimeError):
    """A weights file, or a state dict, that cannot be read or does not fit."""


class InternalError(RuntimeError):
    """A bug in rsconv: a panic of the compiled core, surfaced instead of aborting the process."""


class GpuError(RuntimeError):
    """The GPU, its driver or wgpu failed or refused: a shader, a command, a lost device."""


class OutOfMemoryError(GpuError, MemoryError):
    """The memory of the GPU, or the limit set on it, does not suffice."""


class BindingTooLarge(GpuError, MemoryError):
    """An operator needs more of one buffer at once than the device can bind, and cannot be cut."""
