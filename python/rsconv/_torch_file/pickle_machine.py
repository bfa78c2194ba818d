"""A pickle machine that executes nothing.

The standard library's unpickler calls what a file tells it to call, sets attributes of whatever is on the
stack, and sizes its memo by a number in the file; restricting it means closing each of these holes. This one
is built the other way round. `pickletools` splits the stream into opcodes, and the machine knows the few that
build constants and plain containers. A global is an entry of an allow-list, never an import; REDUCE calls
entries that have a function of ours, and BUILD knows three targets. What it does not know, it refuses by
name.
"""

import pickletools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..errors import WeightsError
from .limits import Budget, check_key, shown

__all__ = ["Global", "PickleMachine"]

_OLD_MODULES = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_LISTED_NAMES = 8


@dataclass(frozen=True, eq=False)
class Global:
    """An allow-listed name. Without `call` a pickle may only hand it on as an argument."""

    name: str
    call: Callable[..., object] | None = None


def _operations(stream: BinaryIO) -> Iterator[tuple[str, Any]]:
    try:
        for opcode, argument, _ in pickletools.genops(stream):
            yield opcode.name, argument
    except (ValueError, Warning) as error:
        # Decoding a wrong escape warns, which is an error where warnings are.
        raise WeightsError(f"the pickle is malformed: {error}") from error


def _dotted(qualified: str) -> str:
    """The name of a global, which the opcode gives as module and attribute with a space between."""
    module, _, attribute = qualified.partition(" ")
    return f"{_OLD_MODULES.get(module, module)}.{attribute}"


class PickleMachine:
    """Runs pickles over one allow-list.

    Args:
        globals_: qualified name to what it yields. Only a `Global` can be called.
        refusals: qualified names that are refused with a reason of their own.
        persistent_load: what a persistent id stands for.
        build: sets the state of an object, or returns False if it knows nothing of that object.
        budget: shared by all pickles of a file.
    """

    def __init__(
        self,
        globals_: Mapping[str, object],
        refusals: Mapping[str, str],
        persistent_load: Callable[[object], object],
        build: Callable[[object, object], bool],
        budget: Budget,
    ) -> None:
        """Nothing is read yet."""
        self._globals = globals_
        self._refusals = refusals
        self._persistent_load = persistent_load
        self._build_known = build
        self._budget = budget
        self._stack: list[Any] = []
        self._marked: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._stream: Iterator[tuple[str, Any]] = iter(())

    def run(self, stream: BinaryIO) -> Any:
        """The object that the pickle at the position of `stream` describes; leaves the position behind it.

        Raises WeightsError, with the names of all globals that are not allowed if there are any.
        """
        self._stack, self._marked, self._memo = [], [], {}
        self._stream = _operations(stream)
        for name, argument in self._stream:
            self._budget.charge(1)
            handler = _HANDLERS.get(name)
            if handler is None:
                raise WeightsError(
                    f"the pickle uses the opcode {name}, which torch.save does not write for tensors"
                )
            handler(self, argument)
        return self._pop()

    def _push(self, value: Any) -> None:
        self._stack.append(value)

    def _pop(self) -> Any:
        if not self._stack:
            raise WeightsError("the pickle is malformed: its stack is empty")
        return self._stack.pop()

    def _top(self, kinds: tuple[type, ...], opcode: str) -> Any:
        if not self._stack or type(self._stack[-1]) not in kinds:
            found = type(self._stack[-1]).__name__ if self._stack else "nothing"
            raise WeightsError(f"the pickle is malformed: {opcode} on {found}")
        return self._stack[-1]

    def _mark(self, _: Any) -> None:
        self._marked.append(self._stack)
        self._stack = []

    def _pop_mark(self) -> list[Any]:
        if not self._marked:
            raise WeightsError("the pickle is malformed: a mark is missing")
        items, self._stack = self._stack, self._marked.pop()
        return items

    def _integer(self, value: int) -> None:
        # Also keeps str() of what is loaded within Python's limit on digits.
        if value.bit_length() > 256:
            raise WeightsError(f"the pickle holds an integer of {value.bit_length()} bits")
        self._push(value)

    def _python2_string(self, latin1: str) -> None:
        try:
            self._push(latin1.encode("latin-1").decode("utf-8"))
        except UnicodeError as error:
            raise WeightsError(f"a string that Python 2 wrote is not UTF-8: {error}") from error

    def _discard(self, _: Any) -> None:
        # With nothing above it, POP removes a mark.
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _duplicate(self, _: Any) -> None:
        value = self._pop()
        self._stack += (value, value)

    def _put(self, index: int) -> None:
        value = self._pop()
        self._push(value)
        self._memo[index] = value

    def _get(self, index: int) -> None:
        if index not in self._memo:
            raise WeightsError(f"the pickle is malformed: its memo has no entry {index}")
        self._push(self._memo[index])

    def _tuple(self, count: int) -> None:
        items = [self._pop() for _ in range(count)]
        self._push(tuple(reversed(items)))

    def _append(self, items: list[Any]) -> None:
        self._top((list,), "APPEND").extend(items)

    def _set_items(self, items: list[Any]) -> None:
        target = self._top((dict, OrderedDict), "SETITEM")
        if len(items) % 2:
            raise WeightsError("the pickle is malformed: a key without a value")
        for key, value in zip(items[::2], items[1::2], strict=True):
            check_key(key, self._budget)
            target[key] = value

    def _dict(self, items: list[Any]) -> None:
        self._push({})
        self._set_items(items)

    def _add_items(self, items: list[Any]) -> None:
        target = self._top((set,), "ADDITEMS")
        for item in items:
            check_key(item, self._budget)
            target.add(item)

    def _frozenset(self, items: list[Any]) -> None:
        for item in items:
            check_key(item, self._budget)
        self._push(frozenset(items))

    def _global(self, qualified: str) -> None:
        name = _dotted(qualified)
        if name not in self._globals:
            raise self._refusal(name)
        self._push(self._globals[name])

    def _stack_global(self, _: Any) -> None:
        attribute, module = self._pop(), self._pop()
        if type(module) is not str or type(attribute) is not str:
            raise WeightsError("the pickle is malformed: a global whose name is not a string")
        self._global(f"{module} {attribute}")

    def _instance(self, qualified: str) -> None:
        self._global(qualified)
        raise WeightsError(f"the pickle makes an instance of {_dotted(qualified)!r}")

    def _refusal(self, first: str) -> WeightsError:
        """The error for the global `first`, which lists the ones in the rest of the pickle too."""
        found = {first: None}
        try:
            for opcode, argument in self._stream:
                self._budget.charge(1)
                if opcode in ("GLOBAL", "INST"):
                    name = _dotted(argument)
                    if name not in self._globals:
                        found[name] = None
        except WeightsError:
            pass  # The list ends where the pickle stops being readable; the refusal stands.
        names = list(found)
        for name in names:
            if name in self._refusals:
                return WeightsError(f"the pickle names {name!r}: {self._refusals[name]}")
        listed = ", ".join(repr(name[:100]) for name in names[:_LISTED_NAMES])
        more = f" and {len(names) - _LISTED_NAMES} more" if len(names) > _LISTED_NAMES else ""
        return WeightsError(
            f"the pickle names {listed}{more}; refused, because nothing in a file is executed and only "
            "tensors and plain containers are read. If it is a whole Module, save its state_dict() instead"
        )

    def _reduce(self, _: Any) -> None:
        self._budget.charge(10)
        arguments, function = self._pop(), self._pop()
        if not isinstance(function, Global) or function.call is None:
            described = function.name if isinstance(function, Global) else type(function).__name__
            raise WeightsError(f"the pickle calls {described!r}, which is not a function that tensors need")
        if type(arguments) is not tuple:
            raise WeightsError(f"the pickle calls {function.name!r} without a tuple of arguments")
        try:
            self._push(function.call(*arguments))
        except TypeError as error:
            raise WeightsError(f"the pickle calls {function.name!r} with wrong arguments: {error}") from error

    def _build(self, _: Any) -> None:
        state = self._pop()
        target = self._stack[-1] if self._stack else None
        if self._build_known(target, state):
            return
        if type(target) is not OrderedDict:
            raise WeightsError(f"the pickle sets the state of a {type(target).__name__}, which has none")
        unknown = (
            [shown(key) for key in state if key != "_metadata"] if type(state) is dict else [shown(state)]
        )
        if unknown:
            raise WeightsError(
                f"the pickle gives a dictionary the attribute {unknown[0]}; only _metadata is known"
            )
        if not all(isinstance(metadata, dict) for metadata in state.values()):
            raise WeightsError("the pickle gives a dictionary a _metadata that is none itself")
        vars(target).update(state)

    def _persistent(self, _: Any) -> None:
        self._budget.charge(10)
        self._push(self._persistent_load(self._pop()))


_Handler = Callable[[PickleMachine, Any], None]


def _constant(value: Any) -> _Handler:
    return lambda machine, _: machine._push(value)


def _fresh(kind: type) -> _Handler:
    return lambda machine, _: machine._push(kind())


def _of_marked(handle: Callable[[PickleMachine, list[Any]], None]) -> _Handler:
    return lambda machine, _: handle(machine, machine._pop_mark())


def _of_popped(count: int, handle: Callable[[PickleMachine, list[Any]], None]) -> _Handler:
    return lambda machine, _: handle(machine, [machine._pop() for _ in range(count)][::-1])


def _handlers() -> dict[str, _Handler]:
    push, integer, python2, put, get = (
        PickleMachine._push,
        PickleMachine._integer,
        PickleMachine._python2_string,
        PickleMachine._put,
        PickleMachine._get,
    )
    table: dict[str, _Handler] = {
        "PROTO": lambda machine, _: None,
        "FRAME": lambda machine, _: None,
        "STOP": lambda machine, _: None,
        "NONE": _constant(None),
        "NEWTRUE": _constant(True),
        "NEWFALSE": _constant(False),
        "EMPTY_TUPLE": _constant(()),
        "EMPTY_LIST": _fresh(list),
        "EMPTY_DICT": _fresh(dict),
        "EMPTY_SET": _fresh(set),
        "MARK": PickleMachine._mark,
        "POP": PickleMachine._discard,
        "POP_MARK": _of_marked(lambda machine, items: None),
        "DUP": PickleMachine._duplicate,
        "MEMOIZE": lambda machine, _: machine._put(len(machine._memo)),
        "TUPLE": _of_marked(lambda machine, items: machine._push(tuple(items))),
        "TUPLE1": lambda machine, _: machine._tuple(1),
        "TUPLE2": lambda machine, _: machine._tuple(2),
        "TUPLE3": lambda machine, _: machine._tuple(3),
        "LIST": _of_marked(lambda machine, items: machine._push(items)),
        "DICT": _of_marked(PickleMachine._dict),
        "FROZENSET": _of_marked(PickleMachine._frozenset),
        "APPEND": _of_popped(1, PickleMachine._append),
        "APPENDS": _of_marked(PickleMachine._append),
        "SETITEM": _of_popped(2, PickleMachine._set_items),
        "SETITEMS": _of_marked(PickleMachine._set_items),
        "ADDITEMS": _of_marked(PickleMachine._add_items),
        "GLOBAL": PickleMachine._global,
        "INST": PickleMachine._instance,
        "STACK_GLOBAL": PickleMachine._stack_global,
        "REDUCE": PickleMachine._reduce,
        "BUILD": PickleMachine._build,
        "BINPERSID": PickleMachine._persistent,
    }
    table["BYTEARRAY8"] = lambda machine, data: machine._push(bytearray(data))
    table.update(dict.fromkeys(("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"), integer))
    table.update(dict.fromkeys(("FLOAT", "BINFLOAT", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8"), push))
    table.update(dict.fromkeys(("UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"), push))
    table.update(dict.fromkeys(("STRING", "BINSTRING", "SHORT_BINSTRING"), python2))
    table.update(dict.fromkeys(("PUT", "BINPUT", "LONG_BINPUT"), put))
    table.update(dict.fromkeys(("GET", "BINGET", "LONG_BINGET"), get))
    return table


_HANDLERS = _handlers()
