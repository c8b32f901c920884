"""Recordings of a healthy cluster as lines of text, and what may be wrong with them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence

HEADER = (
    b'{"rhs":1,"kind":"header","clock":{"N":{"epoch":"start"}},"complete":true,"start":"initial"}\n'
)
SECOND = 1_000_000


def encoded(fields: dict[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


def polls(resources: int, rounds: int, chance: random.Random) -> list[dict[str, object]]:
    """A legal run: every resource is opened, brought online and polled."""
    rows: list[tuple[int, int, str, str]] = []
    for number in range(1, resources + 1):
        now = number * 977
        for op in ("Open", "Online"):
            rows += [(now, number, "call", op), (now + 9_000, number, "return", op)]
            now += 9_000
        looks = is_alive = now
        for _ in range(rounds):
            now = min(looks + 5 * SECOND, is_alive + 60 * SECOND)
            op = "IsAlive" if is_alive + 60 * SECOND <= now else "LooksAlive"
            looks, is_alive = (looks, now) if op == "IsAlive" else (now, is_alive)
            used = chance.randint(1, 900)
            rows += [(now, number, "call", op), (now + used, number, "return", op)]
    found: list[dict[str, object]] = []
    calls: dict[int, int] = {}
    for seq, (ts, number, ev, op) in enumerate(sorted(rows, key=lambda row: row[0]), start=1):
        if ev == "call":
            calls[number] = seq
        fields = {"ts": ts, "seq": seq, "host": "N", "mon": "7#1", "res": f"Resource[{number}]"}
        fields |= {"ev": ev, "op": op, "cid": calls[number]}
        found.append(fields | ({"rc": 0} if ev == "return" else {}))
    return found


# What a writer, an editor or a faulty host may make of a line.
def odd_lines(fields: dict[str, object]) -> list[bytes]:
    plain = encoded(fields)
    bare = {key: value for key, value in fields.items() if key != "rc"}
    return [
        b"\n",
        b"nonsense\n",
        plain.replace(b"\n", b"\r\n"),
        plain.replace(b',"seq"', b', "seq"'),
        plain.replace(b',"seq"', b',\n"seq"'),
        plain[:-1] + plain,
        plain[:-2] + b',"ev":"call"}\n',
        plain[:-2] + b',"ev":"return"}\n',
        plain[:-2] + b',"op":"Close"}\n',
        plain[:-2] + b',"rc":null}\n',
        plain[:-2] + b',"src":{"f":0,"l":1,"o":2}}\n',
        plain.replace(b'"host":"N"', b'"host":"\\u004e"'),
        encoded(dict(reversed(fields.items()))),
        encoded(bare | {"ev": "return"}),
        encoded(bare | {"ev": "call", "rc": 0}),
        encoded(fields | {"rc": 1 << 63}),
        encoded(fields | {"ts": -1}),
        encoded(fields | {"ts": fields["ts"], "res": "Gerät \u2028"}),
        encoded(fields | {"ev": "status", "op": "SetResourceStatus", "state": "Failed"}),
        encoded(fields | {"ev": "telepathy"}),
        encoded(fields | {"ev": "gap", "why": "ring"}),
    ]


def edited(events: list[dict[str, object]], chance: random.Random) -> Sequence[bytes]:
    """The run with something wrong in it, or legal as it is."""
    lines = [dict(one) for one in events]
    at = chance.randrange(len(lines) // 2, len(lines))
    match chance.randrange(8):
        case 0:
            del lines[at]
        case 1:
            lines.insert(at, dict(lines[at]))
        case 2:
            lines[at]["rc"] = 5
        case 3:
            lines[at]["ts"] = int(str(lines[at]["ts"])) + chance.choice((-1, 1, 7 * SECOND))
        case 4:
            lines[at]["res"] = "Resource[1]"
        case 5:
            lines[at]["mon"] = "8#2"
        case 6:
            lines[at]["host"] = "M"
        case _:
            pass
    text = list(map(encoded, lines))
    if chance.random() < 0.3:
        text[at - 1] = chance.choice(odd_lines(events[at - 1]))
    return text
