"""`rsconv.data` under the name that `torch.utils.data` has."""

from ..data import *  # noqa: F403
from ..data import __all__ as __all__
