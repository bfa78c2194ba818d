"""The logger "rsconv": silent by default, to stderr where the variable RSCONV_LOG sets its level."""

import logging
import os

from .errors import ArgumentError

__all__ = ["configure"]

_LEVELS = ("debug", "info", "warning", "error")


def configure() -> None:
    """Set the logger up as RSCONV_LOG says; called once, when rsconv is imported.

    Raises:
        ArgumentError: RSCONV_LOG is none of debug, info, warning and error.
    """
    logger = logging.getLogger("rsconv")
    level = os.environ.get("RSCONV_LOG", "")
    if not level:
        logger.addHandler(logging.NullHandler())
        return
    if level.lower() not in _LEVELS:
        raise ArgumentError(f"RSCONV_LOG={level} is not valid: expected one of {', '.join(_LEVELS)}")
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s %(levelname)s: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(level.upper())
