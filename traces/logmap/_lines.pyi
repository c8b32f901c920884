from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

REVISION: int

def usual(
    data: bytes,
    first: int,
    sign: int,
    shared: tuple[tuple[bytes, int], ...],
    others: tuple[bytes, ...],
    components: tuple[bytes, ...],
    known: dict[bytes, T],
    find: Callable[[bytes], T | None],
    /,
) -> (
    tuple[list[int], list[int], list[int], list[T], list[tuple[int, int, int, int]], bool, int]
    | None
): ...
