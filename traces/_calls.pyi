from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

REVISION: int

def read(
    text: bytes, known: dict[bytes, T], find: Callable[[bytes], T | None], /
) -> (
    tuple[list[T], list[int], list[int | None], list[int], list[int | None], int, int, bool] | None
): ...
def walk(
    kinds: list[T],
    begun: list[int],
    ended: list[int | None],
    ids: list[int],
    codes: list[int | None],
    start: int,
    stop: int,
    host: str,
    /,
) -> int: ...
