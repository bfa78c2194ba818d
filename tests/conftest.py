"""What the tests of several files share."""

import os

import pytest
import rsconv
from rsconv.errors import DeviceError


@pytest.fixture(scope="session", params=["cpu", "gpu"])
def device(request):
    """The name of a device to run on.

    A machine without a GPU, be it in software, skips those tests, or fails them with RSCONV_REQUIRE_GPU=1.
    """
    if request.param == "gpu":
        os.environ.setdefault("RSCONV_ALLOW_SOFTWARE_GPU", "1")
        try:
            rsconv.device("gpu")
        except DeviceError as error:
            if os.environ.get("RSCONV_REQUIRE_GPU") == "1":
                raise
            pytest.skip(str(error))
    return request.param
