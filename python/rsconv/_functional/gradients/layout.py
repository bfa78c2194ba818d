"""Rules of what moves elements and computes nothing."""

from typing import Any

from ... import operators, shaping
from ..._autograd.rules import Gradients, rule
from .. import indexing, joining, shuffle
from ..arrays import Result
from ..dropout import dropped
from ..pad import padded


@rule("reshape")
def reshape(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Back to the shape before."""
    return {"input": lambda: shaping.reshape(grad, inputs["input"].shape)}


@rule("permute")
def permute(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The inverse order of the axes."""
    axes = args["axes"]
    return {"input": lambda: shaping.permute(grad, sorted(range(len(axes)), key=axes.__getitem__))}


@rule("expand")
def expand(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The sum of the copies, as everywhere where an argument was broadcast."""
    return {"input": lambda: grad}


@rule("cat")
def cat(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Every array's part."""
    sizes, axis = args["sizes"], args["axis"]

    def part(i: int) -> Result:
        return joining.narrow(grad, axis, sum(sizes[:i]), sizes[i])

    return {name: lambda i=i: part(i) for i, name in enumerate(inputs)}  # type: ignore[misc]


@rule("stack")
def stack(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Every array's slice."""
    axis = args["axis"]

    def part(i: int) -> Result:
        return shaping.squeeze(joining.narrow(grad, axis, i, 1), axis)

    return {name: lambda i=i: part(i) for i, name in enumerate(inputs)}  # type: ignore[misc]


@rule("index")
def index(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Added up where the index selected."""
    return {"input": lambda: indexing.index_sum(grad, inputs["input"].shape, args["index"])}


@rule("index_sum")
def index_sum(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """What the index selects."""
    return {"src": lambda: operators.get_item(grad, args["index"])}


@rule("put")
def put(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """To what was written the part, to the old contents the rest."""
    return {"input": lambda: indexing.without(grad, args["clear"]), "value": lambda: args["part"](grad)}


@rule("without")
def without(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The rest, too."""
    return {"input": lambda: indexing.without(grad, args["clear"])}


@rule("flip")
def flip(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """Reversed again."""
    return {"input": lambda: joining.flip(grad, args["axes"])}


@rule("gather")
def gather(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """To the element that the index names."""
    return {"input": lambda: indexing.scatter_sum(grad, args["axis"], args["index"], args["shape"])}


@rule("scatter_sum")
def scatter_sum(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """From the element that the index names; what no index reached has none."""

    def of_src() -> Result:
        found = indexing.gather(grad, args["axis"], args["index"])
        unused = tuple((0, n - size) for n, size in zip(inputs["src"].shape, found.shape, strict=True))
        return padded(found, unused, "constant") if any(map(any, unused)) else found

    return {"src": of_src}


@rule("pixel_shuffle")
def pixel_shuffle(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The inverse."""
    return {"input": lambda: shuffle.pixel_unshuffle(grad, args["factor"])}


@rule("pixel_unshuffle")
def pixel_unshuffle(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The inverse."""
    return {"input": lambda: shuffle.pixel_shuffle(grad, args["factor"])}


@rule("channel_shuffle")
def channel_shuffle(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The inverse: rows and columns of the channels exchanged."""
    channels = inputs["input"].shape[1]
    return {"input": lambda: shuffle.channel_shuffle(grad, channels // args["groups"])}


@rule("dropout")
def dropout(grad: Result, inputs: dict[str, Any], outputs: Any, args: dict[str, Any]) -> Gradients:
    """The same dropout: the stream says which elements were kept."""
    return {"input": lambda: dropped(grad, **args)}
