"""What `import rsconv` does to a process: its logger, and nothing heavy."""

import os
import subprocess
import sys

HEAVY = ["PIL", "asyncio", "matplotlib", "onnx", "safetensors", "scipy", "torch", "tqdm", "unittest", "wgpu"]


def python(code, **environment):
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RSCONV_")}
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env=kept | environment, capture_output=True, text=True
    )


def test_nothing_heavy_is_imported():
    code = "import sys, rsconv, rsconv.cli; print([name for name in HEAVY if name in sys.modules])"
    done = python(code.replace("HEAVY", repr(HEAVY)))
    assert done.stdout == "[]\n", done.stderr


def test_the_logger_is_silent_by_default():
    done = python("import logging, rsconv; logging.getLogger('rsconv').error('lost')")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_program_configures_the_logger_itself():
    code = "import logging, rsconv; logging.basicConfig(); logging.getLogger('rsconv.x').error('kept')"
    assert python(code).stderr == "ERROR:rsconv.x:kept\n"


def test_the_variable_sets_the_level():
    code = "import logging, rsconv; log = logging.getLogger('rsconv'); log.info('shown'); log.debug('hidden')"
    done = python(code, RSCONV_LOG="info")
    assert done.stderr.endswith(" rsconv INFO: shown\n")
    assert "hidden" not in done.stderr


def test_a_wrong_level_is_refused():
    done = python("import rsconv", RSCONV_LOG="loud")
    assert done.returncode == 1
    assert done.stderr.endswith(
        "ArgumentError: RSCONV_LOG=loud is not valid: expected one of debug, info, warning, error\n"
    )
