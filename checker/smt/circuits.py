"""Booleans and small integers as circuits of Z3 Booleans.

Owns gates that fold constants, and unsigned numbers of a known range as tuples of bits. Knows
neither expressions nor Systems. State is kept in plain Booleans, not in bit-vectors, because the
same circuits then serve the finite solver and the one for linear real arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import z3

Bit = z3.BoolRef | bool
# Z3's own constructor of a conjunction or disjunction: context, number and array of arguments.
_Maker = Callable[[Any, int, Any], Any]


@dataclass(frozen=True, slots=True)
class Number:
    """The integer `offset` + the unsigned number `bits` (least significant first), at most `top`.

    `top` bounds the unsigned part, so the value lies in offset .. offset + top.
    """

    bits: tuple[Bit, ...]
    offset: int
    top: int


class Gates:
    """Gates in one Z3 context. Constant inputs are Python booleans and are folded away."""

    def __init__(self, context: z3.Context) -> None:
        self.context = context
        self._true = z3.BoolVal(True, context)
        self._false = z3.BoolVal(False, context)
        # Z3 shares equal terms; making one again through its interface still costs. By the
        # identity of the Python object, which is kept here as long as that counts.
        self._negations: dict[int, tuple[z3.BoolRef, z3.BoolRef]] = {}
        self._equalities: dict[tuple[int, int], tuple[Number, Bit]] = {}

    def formula(self, bit: Bit) -> z3.BoolRef:
        """`bit` as a Z3 formula."""
        if isinstance(bit, bool):
            return self._true if bit else self._false
        return bit

    def negate(self, bit: Bit) -> Bit:
        """The negation."""
        if isinstance(bit, bool):
            return not bit
        known = self._negations.get(id(bit))
        if known is None:
            made = z3.BoolRef(z3.Z3_mk_not(self.context.ref(), bit.as_ast()), self.context)
            known = self._negations[id(bit)] = (bit, made)
        return known[1]

    def conj(self, bits: Iterable[Bit]) -> Bit:
        """The conjunction; true for none."""
        parts: list[z3.BoolRef] = []
        for bit in bits:
            if isinstance(bit, bool):
                if not bit:
                    return False
            else:
                parts.append(bit)
        return self._joined(z3.Z3_mk_and, parts) if parts else True

    def disj(self, bits: Iterable[Bit]) -> Bit:
        """The disjunction; false for none."""
        parts: list[z3.BoolRef] = []
        for bit in bits:
            if isinstance(bit, bool):
                if bit:
                    return True
            else:
                parts.append(bit)
        return self._joined(z3.Z3_mk_or, parts) if parts else False

    def _joined(self, make: _Maker, parts: Sequence[z3.BoolRef]) -> z3.BoolRef:
        # z3.And and z3.Or look at every argument's sort; on big formulas that costs more than Z3.
        if len(parts) == 1:
            return parts[0]
        array = (z3.Ast * len(parts))(*(part.as_ast() for part in parts))
        return z3.BoolRef(make(self.context.ref(), len(parts), array), self.context)

    def implies(self, premise: Bit, conclusion: Bit) -> Bit:
        """`premise` implies `conclusion`."""
        return self.disj((self.negate(premise), conclusion))

    def xor(self, left: Bit, right: Bit) -> Bit:
        """Exactly one of the two."""
        if isinstance(left, bool):
            return self.negate(right) if left else right
        if isinstance(right, bool):
            return self.negate(left) if right else left
        return z3.Xor(left, right)

    def iff(self, left: Bit, right: Bit) -> Bit:
        """Both or none."""
        if isinstance(left, bool):
            return right if left else self.negate(right)
        if isinstance(right, bool):
            return left if right else self.negate(left)
        return True if left.eq(right) else left == right

    def choose(self, cond: Bit, then: Bit, other: Bit) -> Bit:
        """`then` where `cond` holds, `other` elsewhere."""
        if isinstance(cond, bool):
            return then if cond else other
        if isinstance(then, bool):
            return self.disj((cond, other)) if then else self.conj((self.negate(cond), other))
        if isinstance(other, bool):
            return self.disj((self.negate(cond), then)) if other else self.conj((cond, then))
        return then if then.eq(other) else z3.If(cond, then, other)

    # ---- numbers -----------------------------------------------------------------------------
    def constant(self, value: int) -> Number:
        """The number `value`, without any bit."""
        return Number((), value, 0)

    def equals(self, number: Number, value: int) -> Bit:
        """Whether `number` is the constant `value`."""
        wanted = value - number.offset
        if not 0 <= wanted <= number.top:
            return False
        known = self._equalities.get((id(number), wanted))
        if known is None:
            made = self.conj(
                bit if wanted >> at & 1 else self.negate(bit) for at, bit in enumerate(number.bits)
            )
            known = self._equalities[(id(number), wanted)] = (number, made)
        return known[1]

    def _add(
        self, left: Sequence[Bit], right: Sequence[Bit], carry: Bit, width: int
    ) -> tuple[Bit, ...]:
        total: list[Bit] = []
        for at in range(width):
            a = left[at] if at < len(left) else False
            b = right[at] if at < len(right) else False
            half = self.xor(a, b)
            total.append(self.xor(half, carry))
            carry = self.disj((self.conj((a, b)), self.conj((half, carry))))
        return tuple(total)

    def rebase(self, number: Number, offset: int, top: int) -> Number:
        """The same value counted from `offset`; it must lie in offset .. offset + top."""
        shift = number.offset - offset
        width = top.bit_length()
        if shift == 0:
            padded = number.bits + (False,) * max(0, width - len(number.bits))
            return Number(padded[:width], offset, top)
        wide = max(width, len(number.bits)) + 1
        added = tuple(bool((shift % (1 << wide)) >> at & 1) for at in range(wide))
        return Number(self._add(number.bits, added, False, wide)[:width], offset, top)

    def _aligned(self, left: Number, right: Number) -> tuple[Number, Number]:
        offset = min(left.offset, right.offset)
        return tuple(  # type: ignore[return-value]
            self.rebase(number, offset, number.offset - offset + number.top)
            for number in (left, right)
        )

    def same(self, left: Number, right: Number) -> Bit:
        """Whether two numbers are equal."""
        left, right = self._aligned(left, right)
        width = max(len(left.bits), len(right.bits))
        return self.conj(
            self.iff(
                left.bits[at] if at < len(left.bits) else False,
                right.bits[at] if at < len(right.bits) else False,
            )
            for at in range(width)
        )

    def at_most(self, left: Number, right: Number) -> Bit:
        """Whether left <= right."""
        if left.offset + left.top <= right.offset:
            return True
        if left.offset > right.offset + right.top:
            return False
        left, right = self._aligned(left, right)
        result: Bit = True
        for at in range(max(len(left.bits), len(right.bits))):
            a = left.bits[at] if at < len(left.bits) else False
            b = right.bits[at] if at < len(right.bits) else False
            result = self.choose(self.xor(a, b), b, result)
        return result

    def add(self, left: Number, right: Number) -> Number:
        """The sum."""
        top = left.top + right.top
        bits = self._add(left.bits, right.bits, False, top.bit_length())
        return Number(bits, left.offset + right.offset, top)

    def subtract(self, left: Number, right: Number) -> Number:
        """The difference."""
        # -r = ~r + 1 - 2^w, so l - r = l + ~r with the constant moved into the offset.
        span = (1 << len(right.bits)) - 1
        flipped = tuple(self.negate(bit) for bit in right.bits)
        return self.add(left, Number(flipped, -span - right.offset, span))

    def select(self, cond: Bit, then: Number, other: Number) -> Number:
        """`then` where `cond` holds, `other` elsewhere."""
        if isinstance(cond, bool):
            return then if cond else other
        then, other = self._aligned(then, other)
        top = max(then.top, other.top)
        width = top.bit_length()

        def bit(number: Number, at: int) -> Bit:
            return number.bits[at] if at < len(number.bits) else False

        chosen = tuple(self.choose(cond, bit(then, at), bit(other, at)) for at in range(width))
        return Number(chosen, then.offset, top)

    def saturate(self, number: Number, low: int, high: int) -> Number:
        """The value of low..high nearest to `number`, counted from `low`."""
        bounded = number
        if number.offset + number.top > high:
            limit = self.constant(high)
            bounded = self.select(self.at_most(bounded, limit), bounded, limit)
        if number.offset < low:
            limit = self.constant(low)
            bounded = self.select(self.at_most(limit, bounded), bounded, limit)
        return self.rebase(bounded, low, high - low)
