"""Every shader variant by Tint, WebGPU's other compiler, in Dawn: float16 included, on the machine's driver.

`tests/tint` does so in a browser, as it ships, where SwiftShader has no float16.
"""

import os

import pytest
from rsconv import _core


def family(variant: str) -> str:
    """The part of a variant's name before dtype, tile and form."""
    words = variant.split("_")
    return "_".join(words[: 2 if words[0] in ("reduce", "conv", "weight") else 1])


FAMILIES = sorted(set(map(family, _core.shader_variants())))


@pytest.fixture(scope="module")
def dawn():
    """Dawn's device, and whether it computes on the CPU."""
    from pydawn import utils, webgpu

    try:
        adapter = utils.request_adapter_sync(webgpu.WGPUPowerPreference_HighPerformance)
    except RuntimeError as error:
        if os.environ.get("RSCONV_REQUIRE_GPU") == "1":
            raise
        pytest.skip(f"Dawn finds no adapter: {error}")
    info = webgpu.WGPUAdapterInfo()
    webgpu.wgpuAdapterGetInfo(adapter, info)
    half = webgpu.WGPUFeatureName_ShaderF16
    features = [half] if webgpu.wgpuAdapterHasFeature(adapter, half) else []
    device = utils.request_device_sync(adapter, features)
    return device, bool(features), info.adapterType == webgpu.WGPUAdapterType_CPU


@pytest.mark.parametrize("name", FAMILIES)
def test_tint_compiles(dawn, name):
    """A module of each variant, and a pipeline: of the first one only where a driver for a GPU takes long."""
    from pydawn import utils, webgpu

    device, half, software = dawn
    variants = [variant for variant in _core.shader_variants() if family(variant) == name]
    assert variants
    for number, variant in enumerate(variants):
        source = _core.render_shader(variant)
        if "enable f16;" in source and not half:
            assert os.environ.get("RSCONV_REQUIRE_GPU") != "1", "Dawn's adapter has no float16"
            continue
        module = utils.create_shader_module(device, source)
        if software or not number:
            stage = {"module": module, "entry_point": "main"}
            webgpu.wgpuComputePipelineRelease(utils.create_compute_pipeline(device, None, stage))
        webgpu.wgpuShaderModuleRelease(module)


def test_a_wrong_shader_is_noticed(dawn):
    from pydawn import utils

    with pytest.raises(RuntimeError, match="no matching call"):
        utils.create_shader_module(dawn[0], "fn f() -> f32 { return sqrt(true); }")
