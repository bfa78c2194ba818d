"""What AMD's compiler makes of the convolution kernels, without an AMD GPU: registers and instructions.

    python benches/amd_profile.py            print the table
    python benches/amd_profile.py --write    put it between its marks in docs/gpu.md

Mesa's RADV compiles for a chip that is not there (RADV_FORCE_FAMILY) and prints the machine code. The SPIR-V
is what wgpu hands the driver, with its default checks of indices: a Vulkan layer writes it down while wgpu-py
compiles each kernel for lavapipe. Needs gcc, libvulkan-dev and mesa-vulkan-drivers. Nothing runs: the figures
bound a kernel's speed, they do not measure it.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "gpu.md"
BEGIN, END = "<!-- amd profile: begin -->", "<!-- amd profile: end -->"
CHIPS = ("gfx1100", "navi21")
DRIVERS = Path("/usr/share/vulkan/icd.d")

TILES = ("128x64_8x8_db8", "64x64_8x8_db8", "64x64_4x8_db8", "32x64_4x8_db8", "128x64_8x8_xt16")
GEMM = (
    *(
        f"conv_{tile}_{gather}"
        for tile in TILES
        for gather in ("tap_f32_rank2_vec4", "tap_f32_rank3_vec4", "any_f32_rank2_vec4", "pointwise_f32_vec4")
    ),
    "conv_128x64_8x8_db8_any_f32_rank3_vec4",
    "conv_64x64_4x8_db8_tap_f32_rank2_scalar",
    "conv_32x64_4x8_db8_tap_f32_rank2_split",
    "conv_128x64_8x8_db8_tap_f16_rank2_vec4",
    "conv_128x64_8x8_xt16_stem_f32_rank2_vec4",
    "conv_128x64_8x8_xt16_stem_f32_rank3_vec4",
    "conv_64x64_4x8_db8_stem_f32_rank2_vec4",
    # Weight gradients, and products of matrices (pointwise).
    *(
        f"weight_grad_{tile}_f32_{taps}_v44"
        for tile in ("128x64_8x8", "64x64_8x8", "32x64_4x8", "16x64_4x4")
        for taps in ("pointwise", "rank2", "rank3")
    ),
    "weight_grad_128x64_8x8_f32_rank2_v41",
    "weight_grad_128x64_8x8_f16_rank2_v44",
)
OTHERS = (
    "conv_depthwise_3x3s1_4x2_f32_rank2_vec4_plain",
    "conv_depthwise_3x3s1_4x2_f32_rank2_vec4",
    "conv_depthwise_3x3s2_2x2_f32_rank2_vec4_plain",
    "conv_depthwise_3x3s1_4x2_f32_rank3_vec4_plain",
    "conv_depthwise_rows5s1_4x1_f32_rank2_vec4_plain",
    "conv_depthwise_rows7s1_4x1_f32_rank2_vec4_plain",
    "conv_depthwise_any_4x1_f32_rank2_vec4_plain",
    "conv_direct_vec4_f32_vec4",
    "conv_direct_scalar_f32_scalar",
)

# What an instruction is for, by the start of its name; the first that fits.
_KINDS = (
    ("fma", re.compile(r"v_(dual_|pk_)?(fma|fmac|fmaak|fmamk|mac|mad)_?f32|v_(fmac|fma|mac|mad)_")),
    ("vector", re.compile(r"v_")),
    ("lds", re.compile(r"ds_")),
    ("memory", re.compile(r"(buffer|global|flat|scratch)_")),
)
_BRANCH = re.compile(r"s_c?branch\S*\s+(BB\d+)")


@dataclass
class Figures:
    """One kernel on one chip.

    `share`, `per_lds` and `cover` belong to the loop with most FMAs among its vector instructions, or to the
    whole kernel if no loop has any.
    """

    kernel: str
    chip: str
    registers: int
    waves: float
    share: float
    per_lds: float | None
    cover: int | None
    spills: int


def built(name, *flags):
    """A C file of benches/amd, compiled where it is newer than its result."""
    folder = Path(tempfile.gettempdir()) / f"rsconv-amd-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    source, result = HERE / "amd" / f"{name}.c", folder / name
    if not result.exists() or result.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["gcc", "-O1", str(source), *flags, "-o", str(result)], check=True)
    return result


def capture(kernels):
    """The SPIR-V of each kernel, as wgpu hands it to the driver."""
    layer = built("capture_layer", "-shared", "-fPIC")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        entry = {
            "name": "VK_LAYER_rsconv_capture",
            "type": "GLOBAL",
            "library_path": str(layer),
            "api_version": "1.3.0",
            "implementation_version": "1",
            "description": "writes SPIR-V modules to files",
        }
        manifest = {"file_format_version": "1.1.2", "layer": entry}
        (folder / "capture.json").write_text(json.dumps(manifest))
        environment = {
            **os.environ,
            "SPIRV_FOLDER": name,
            "VK_INSTANCE_LAYERS": entry["name"],
            "VK_LAYER_PATH": name,
            "VK_ICD_FILENAMES": str(next(DRIVERS.glob("lvp_icd*.json"))),
            "XDG_RUNTIME_DIR": name,
        }
        command = [sys.executable, __file__, "--compile", *kernels]
        subprocess.run(command, env=environment, check=True)
        return {kernel: (folder / f"{kernel}.spv").read_bytes() for kernel in kernels}


def compile_all(kernels):
    """In a process under the layer: compile each kernel and name the module that it became."""
    import wgpu
    from rsconv import _core

    folder = Path(os.environ["SPIRV_FOLDER"])
    adapter = wgpu.gpu.request_adapter_sync()
    features = [name for name in ("shader-f16",) if name in adapter.features]
    device = adapter.request_device_sync(required_features=features)
    for kernel in kernels:
        module = device.create_shader_module(code=_core.render_shader(kernel))
        known = set(folder.glob("[0-9]*.spv"))
        device.create_compute_pipeline(layout="auto", compute={"module": module, "entry_point": "main"})
        (made,) = set(folder.glob("[0-9]*.spv")) - known
        made.rename(folder / f"{kernel}.spv")


def compiled(spirv, chip):
    """What RADV prints about a shader for a chip."""
    environment = {
        **os.environ,
        "RADV_FORCE_FAMILY": chip,
        "RADV_DEBUG": "shaders,shaderstats,nocache",
        "VK_ICD_FILENAMES": str(next(DRIVERS.glob("radeon_icd*.json"))),
        "XDG_RUNTIME_DIR": tempfile.gettempdir(),
    }
    with tempfile.NamedTemporaryFile(suffix=".spv") as file:
        file.write(spirv)
        file.flush()
        command = [str(built("compile", "-lvulkan")), file.name]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{chip}: {done.stderr[-800:]}")
    return done.stderr


def kinds(line):
    """What a line of assembly counts as; RDNA3 writes a pair that is issued at once on one line."""
    for part in line.split("::"):
        yield next((kind for kind, pattern in _KINDS if pattern.match(part.strip())), "other")


def blocks_of(assembly):
    """Basic blocks in order: label and instructions."""
    blocks = {}
    name = None
    for line in assembly.splitlines():
        text = re.sub(r"\s*(//|;).*", "", line).strip()
        if label := re.match(r"(BB\d+):", text):
            name = label[1]
            blocks[name] = []
        elif name and text:
            blocks[name].append(text)
    return blocks


def hot_loop(blocks):
    """The instructions of the loop that has the largest share of FMAs, or None."""
    names = list(blocks)
    best, best_share = None, 0.0
    for last, name in enumerate(names):
        for line in blocks[name]:
            jump = _BRANCH.match(line)
            if jump and jump[1] in names[: last + 1]:
                first = names.index(jump[1])
                lines = [text for part in names[first : last + 1] for text in blocks[part]]
                share = share_of(lines)
                if share > best_share:
                    best, best_share = lines, share
    return best


def share_of(lines):
    """FMAs among the vector instructions."""
    counts = Counter(kind for line in lines for kind in kinds(line))
    issued = sum(line.startswith("v_") for line in lines)
    return counts["fma"] / issued if issued else 0.0


def cover_of(loop):
    """The fewest FMAs between a load of a loop's turn and the wait for it."""
    done, flying, covers = 0, [], []
    for turn in range(2):
        for line in loop:
            done += sum(kind == "fma" for kind in kinds(line))
            if re.match(r"(buffer|global)_load", line):
                flying.append((done, turn))
            if wait := re.search(r"vmcnt\((\d+)\)", line):
                while len(flying) > int(wait[1]):
                    at, start = flying.pop(0)
                    if start == 0:
                        covers.append(done - at)
    return min(covers, default=None)


def figures(kernel, chip, spirv):
    """Read what RADV printed."""
    text = compiled(spirv, chip)
    numbers = dict(re.findall(r"^(VGPRs|Spilled VGPRs|Subgroups per SIMD): (\d+)", text, re.M))
    assembly = text.split("disasm:", 1)[1].split("*** SHADER STATS", 1)[0]
    blocks = blocks_of(assembly)
    loop = hot_loop(blocks)
    lines = loop if loop is not None else [line for block in blocks.values() for line in block]
    counts = Counter(kind for line in lines for kind in kinds(line))
    return Figures(
        kernel=kernel,
        chip=chip,
        registers=int(numbers["VGPRs"]),
        # RADV counts waves of 32 threads; it compiles these kernels for 64.
        waves=int(numbers["Subgroups per SIMD"]) / 2,
        share=share_of(lines),
        per_lds=counts["fma"] / counts["lds"] if counts["lds"] else None,
        cover=cover_of(loop) if loop is not None else None,
        spills=int(numbers["Spilled VGPRs"]),
    )


def goals(f):
    """What a kernel of the implicit GEMM misses."""
    if f.kernel not in GEMM:
        return ""
    large = "8x8" in f.kernel
    least = 0.94 if large and "rank3" not in f.kernel and "stem" not in f.kernel else 0.90
    missed = []
    if f.share < least:
        missed.append(f"share {least:.2f}")
    if f.cover is not None and f.cover < 256:
        missed.append("cover 256")
    if f.waves < (3 if large else 4):
        missed.append(f"{3 if large else 4} waves")
    if f.per_lds is not None and "4x4" not in f.kernel and round(f.per_lds, 1) < (14 if large else 9.5):
        missed.append(f"{14 if large else 9.5} FMAs per LDS")
    if f.spills > 8:
        missed.append("few spills")
    return ", ".join(missed)


def row(f):
    per_lds = "-" if f.per_lds is None else f"{f.per_lds:.1f}"
    cover = "-" if f.cover is None else f.cover
    name = f"`{f.kernel.removeprefix('conv_')}`"
    cells = (name, f.chip, f.registers, f"{f.waves:g}", f"{f.share:.3f}", per_lds, cover, f.spills, goals(f))
    return f"| {' | '.join(map(str, cells))} |"


def table(kernels):
    head = "| kernel | chip | VGPRs | waves64 | FMA share | FMAs per LDS | cover | spills | misses |"
    spirv = capture(kernels)
    rows = [row(figures(kernel, chip, spirv[kernel])) for kernel in kernels for chip in CHIPS]
    return "\n".join([head, "|---|---|---|---|---|---|---|---|---|", *rows])


def main():
    style = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=style)
    parser.add_argument("kernels", nargs="*", help="names of variants; all of the table if none is given")
    parser.add_argument("--write", action="store_true", help="replace the table in docs/gpu.md")
    parser.add_argument("--compile", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--assembly", metavar="CHIP", help="print the machine code instead")
    given = parser.parse_args()
    kernels = given.kernels or [*GEMM, *OTHERS]
    if given.compile:
        compile_all(kernels)
    elif given.assembly:
        spirv = capture(kernels)
        print(*(compiled(spirv[kernel], given.assembly) for kernel in kernels))
    elif given.write:
        page = PAGE.read_text()
        before, rest = page.split(BEGIN)
        after = rest.split(END)[1]
        PAGE.write_text(f"{before}{BEGIN}\n{table(kernels)}\n{END}{after}")
    else:
        print(table(kernels))


if __name__ == "__main__":
    main()
