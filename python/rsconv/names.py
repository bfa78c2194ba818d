"""The AttributeError for a name that does not exist: it names the nearest ones that do."""

from collections.abc import Iterable

__all__ = ["PORTING", "missing_attribute"]

PORTING = "docs/porting.md"
"""Where the names that PyTorch has and rsconv has not are listed."""


def missing_attribute(owner: str, name: str, known: Iterable[str], obj: object = None) -> AttributeError:
    """The AttributeError for `name`, which `owner` (as the message shall call it) does not have.

    Of a module, which has no `obj`, it names the page on porting code too.

    Names that begin with an underscore are never suggested: they are not public, and the interpreter asks for
    many of them that need not exist.
    """
    message = f"{owner} has no attribute {name!r}"
    if not name.startswith("__"):
        from difflib import get_close_matches

        public = sorted({candidate for candidate in known if not candidate.startswith("_")})
        lowered = {candidate.lower(): candidate for candidate in reversed(public)}
        nearest = [lowered[match] for match in get_close_matches(name.lower(), lowered, n=3)]
        if nearest:
            message += f"; the nearest names are: {', '.join(nearest)}"
        if obj is None:
            message += f" (what differs from PyTorch: {PORTING})"
    return AttributeError(message, name=name, obj=obj)
