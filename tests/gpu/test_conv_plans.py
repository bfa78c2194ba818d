"""What explain says of the GPU is what runs there."""

import numpy as np
import pytest
import rsconv
from rsconv import functional as F
from rsconv.errors import DtypeError
from rsconv.nn import grad


def values(*shape, dtype=np.float32):
    return np.random.default_rng(0).standard_normal(shape).astype(dtype)


X, W, G = values(2, 16, 20, 20), values(24, 16, 3, 3), values(2, 24, 18, 18)
CALLS = {
    "conv2d": (F.conv2d, (X, W), {}),
    "depthwise": (F.conv2d, (X, values(16, 1, 3, 3)), {"groups": 16}),
    "unbatched conv1d": (F.conv1d, (values(3, 90), values(8, 3, 5)), {}),
    "conv_transpose3d": (F.conv_transpose3d, (values(1, 4, 5, 6, 7), values(4, 8, 2, 2, 2)), {"stride": 2}),
    "float16": (F.conv2d, (X.astype(np.float16), W.astype(np.float16)), {}),
    "input gradient": (grad.conv2d_input, (X.shape, W, G), {}),
    "weight gradient": (grad.conv2d_weight, (X, W.shape, G), {}),
    "direct weight gradient": (grad.conv2d_weight, (X, (16, 1, 3, 3), values(2, 16, 18, 18)), {"groups": 16}),
}


@pytest.mark.parametrize("name", CALLS)
def test_the_kernel_that_is_named_runs(backend, name):
    function, arguments, options = CALLS[name]
    compiled = backend.runtime.pipelines.compiled
    kept = dict(compiled)
    with rsconv.device("gpu"):
        plan = rsconv.explain(function, *arguments, **options)
        compiled.clear()
        function(*arguments, **options)
    found = {variant for variant, _, _ in compiled}
    compiled.update(kept)
    assert plan.device == "gpu" and plan.kernel in found
    assert plan.threads in (64, 128, 256) and plan.tasks >= 1
    assert all(line.strip() for line in str(plan).splitlines())


def test_what_cannot_run_is_not_explained(backend):
    for function, arguments in ((F.conv2d, (X, W)), (grad.conv2d_weight, (X, W.shape, G))):
        wide = [part.astype(np.float64) if isinstance(part, np.ndarray) else part for part in arguments]
        with rsconv.device("gpu"), pytest.raises(DtypeError, match="float64"):
            rsconv.explain(function, *wide)
