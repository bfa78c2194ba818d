"""Parameters as one vector."""

from collections.abc import Iterable

from ... import functions as f
from ...errors import ShapeError
from ...tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all `parameters`, one after the other, as a 1-D Tensor."""
    vector: Tensor = f.cat([parameter.reshape(-1) for parameter in parameters])
    return vector


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copy the elements of the 1-D `vec` into `parameters`, in order. Raises ShapeError for another size."""
    targets = list(parameters)
    needed = sum(target.numel() for target in targets)
    if vec.ndim != 1 or vec.numel() != needed:
        raise ShapeError(f"expected a vector of {needed} elements, but got size {list(vec.shape)}")
    start = 0
    for target in targets:
        target.detach().copy_(vec[start : start + target.numel()].reshape(target.shape))
        start += target.numel()
