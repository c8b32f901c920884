"""CPU time of judging a recording with all rules of `rhs`, against `grep -c` on the same file.

    python bench/replay_speed.py [--events 300000] [--resources 500]

The recording is a healthy cluster: every resource is opened, brought online and polled for ever
after. CPU seconds (user and system) of fresh processes, best of three; the ratio to grep is what
compares between machines. Start-up (compiling the spec) is measured on a short file and shown by
itself. Linux and macOS only: it counts the CPU time of child processes, and needs grep.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

SECOND = 1_000_000


def life(name: str, number: int) -> Iterator[tuple[int, str, int, str]]:
    """(time, name, call number, line without time, number and id) of one resource, for ever."""
    call, now = 0, number * 977
    for op in ("Open", "Online"):
        call += 1
        yield now, name, call, f'"ev":"call","op":"{op}"'
        now += 120_000 + number
        yield now, name, call, f'"ev":"return","op":"{op}","rc":0'
    looks = is_alive = now
    while True:
        # Both polls count from their own last start; where both are due, IsAlive goes first.
        due = min(looks + 5 * SECOND, is_alive + 60 * SECOND)
        op = "IsAlive" if is_alive + 60 * SECOND <= max(due, now) else "LooksAlive"
        now = max(due, now)
        if op == "IsAlive":
            is_alive = now
        else:
            looks = now
        call += 1
        yield now, name, call, f'"ev":"call","op":"{op}"'
        now += 300 + number % 7
        yield now, name, call, f'"ev":"return","op":"{op}","rc":0'


def write(path: Path, events: int, resources: int) -> None:
    """A legal recording of so many events."""
    lives = [life(f"Resource[{number}]", number) for number in range(1, resources + 1)]
    total = hashlib.sha256()
    with path.open("wb") as file:
        head = (
            '{"rhs":1,"kind":"header","src":"bench","spec":"rhs","clock":{"N":{"epoch":"start"}},'
            f'"complete":true,"start":"initial","n":{resources}}}\n'
        )
        file.write(head.encode())
        total.update(head.encode())
        for seq, (now, name, call, rest) in enumerate(heapq.merge(*lives), start=1):
            if seq > events:
                break
            event, _, rc = rest.partition(',"rc"')
            tail = f',"rc"{rc}' if rc else ""
            kind, _, op = event.partition(',"op"')
            line = (
                f'{{"ts":{now},"seq":{seq},"host":"N","mon":"6800#1","tid":11032,"res":"{name}",'
                f'{kind},"op"{op},"cid":{int(name[9:-1]) * 1_000_000 + call}{tail}}}\n'
            ).encode()
            file.write(line)
            total.update(line)
        end = f'{{"rhs":1,"kind":"end","events":{events},"sha256":"{total.hexdigest()}"}}\n'
        file.write(end.encode())


def cpu(*command: str) -> tuple[float, int, str]:
    """(CPU seconds, exit status, output) of a fresh process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return used, done.returncode, done.stdout + done.stderr


def best(*command: str) -> float:
    return min(cpu(*command)[0] for _ in range(3))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--events", type=int, default=300_000)
    options.add_argument("--resources", type=int, default=500)
    wanted = options.parse_args()
    os.environ["LC_ALL"] = "C"
    with tempfile.TemporaryDirectory() as folder:
        long, short = Path(folder) / "long.jsonl", Path(folder) / "short.jsonl"
        write(long, wanted.events, wanted.resources)
        write(short, 100, 5)
        replay = (sys.executable, "-m", "rhscheck", "replay", "--quiet")
        used, status, said = cpu(*replay, str(long))
        grep = best("grep", "-c", "LooksAlive", str(long))
        start = best(*replay, str(short))
        full = min(used, best(*replay, str(long)))
    steady = full - start
    per = 1e6 / wanted.events
    print(said.strip(), f"(exit status {status})")
    print(f"{'':<28}{'CPU s':>8}{'us/event':>10}{'x grep':>8}")
    print(f"{'grep -c':<28}{grep:>8.3f}{grep * per:>10.2f}{1.0:>8.1f}")
    print(f"{'replay, start-up':<28}{start:>8.2f}")
    print(
        f"{'replay, without start-up':<28}{steady:>8.2f}{steady * per:>10.2f}{steady / grep:>8.1f}"
    )
    print(f"{'replay, all of it':<28}{full:>8.2f}{full * per:>10.2f}{full / grep:>8.1f}")


if __name__ == "__main__":
    main()
