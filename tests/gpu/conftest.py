"""The GPU that the tests run on: any real one, or a software adapter where there is none."""

import os

import pytest
from rsconv.backends import gpu
from rsconv.backends.gpu import devices
from rsconv.errors import DeviceError


@pytest.fixture(scope="session")
def backend():
    """The operators on the machine's GPU. Without one the tests skip, or fail with RSCONV_REQUIRE_GPU=1."""
    os.environ.setdefault("RSCONV_ALLOW_SOFTWARE_GPU", "1")
    try:
        return gpu.open("gpu")
    except DeviceError as error:
        if os.environ.get("RSCONV_REQUIRE_GPU") == "1":
            raise
        pytest.skip(str(error))


@pytest.fixture
def fresh(backend):
    """A device of its own on the same GPU: one to break, or whose counts start at zero."""
    return gpu.GpuBackend(devices.start(backend.runtime.adapter), backend.name)
