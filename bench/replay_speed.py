"""CPU time and memory of judging a recording with all rules of `rhs`, against `grep -c`.

    python bench/replay_speed.py [--events 1000000] [--resources 500] [--many 20000] [--jobs 2]

The recording is a healthy cluster: every resource is opened, brought online and polled for ever
after. CPU seconds (user and system) of fresh processes, best of three; the ratio to grep on the
same file is what compares between machines. Start-up (compiling the spec) is measured on a short
file and shown by itself. The wall time of `--jobs` says something on a machine that is otherwise
idle only. `--many`: a second recording of so many resources, for its peak memory. Linux and macOS
only: it asks the kernel about child processes, and needs grep.
"""

from __future__ import annotations

import argparse
import hashlib
import heapq
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SECOND = 1_000_000
# Memory is to stay below so much, and so much for each resource.
BASE_MIB, RESOURCE_KIB = 64, 2


def life(name: str, number: int, apart: int) -> Iterator[tuple[int, str, int, str]]:
    """(time, name, call number, line without time, number and id) of one resource, for ever.

    Resources are opened `apart` microseconds after each other.
    """
    call, now = 0, number * apart
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


def write(path: Path, events: int, resources: int, apart: int = 977) -> None:
    """A legal recording of so many events."""
    lives = [life(f"Resource[{number}]", number, apart) for number in range(1, resources + 1)]
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


@dataclass(frozen=True)
class Used:
    """What a process and those it waited for took: seconds; its own peak memory in MiB."""

    cpu: float
    wall: float
    mib: float
    said: str
    status: int


def run(*command: str) -> Used:
    """A fresh process."""
    began = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(command, stdout=said, stderr=said)
        _, status, spent = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - began
        said.seek(0)
        text = said.read().decode()
    # Linux counts KiB, macOS bytes.
    mib = spent.ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)
    return Used(spent.ru_utime + spent.ru_stime, wall, mib, text, process.returncode)


def best(*command: str) -> Used:
    return min((run(*command) for _ in range(3)), key=lambda one: one.cpu)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--events", type=int, default=1_000_000)
    options.add_argument("--resources", type=int, default=500)
    options.add_argument("--many", type=int, default=20_000)
    options.add_argument("--jobs", type=int, default=2)
    wanted = options.parse_args()
    os.environ["LC_ALL"] = "C"
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # what is measured has its byte code
    replay = (sys.executable, "-m", "rhscheck", "replay", "--quiet")
    with tempfile.TemporaryDirectory() as folder:
        long, short, many = (Path(folder) / name for name in ("long", "short", "many"))
        write(long, wanted.events, wanted.resources)
        write(short, 100, 5)
        write(many, 6 * wanted.many, wanted.many, apart=1)
        grep = best("grep", "-c", "LooksAlive", str(long))
        start = best(*replay, str(short))
        full = best(*replay, str(long))
        shared = best(*replay, "--jobs", str(wanted.jobs), str(long))
        crowd = run(*replay, str(many))
    machine = f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    print(f"{machine}, Python {platform.python_version()}")
    print(f"{wanted.events} events of {wanted.resources} resources")
    print(full.said.strip(), f"(exit status {full.status})")
    assert (shared.said, shared.status) == (full.said, full.status)
    per = 1e6 / wanted.events
    print(f"{'':<28}{'CPU s':>8}{'us/event':>10}{'x grep':>8}{'wall s':>8}")

    def row(name: str, cpu: float, wall: float) -> None:
        print(f"{name:<28}{cpu:>8.3f}{cpu * per:>10.2f}{cpu / grep.cpu:>8.1f}{wall:>8.2f}")

    row("grep -c", grep.cpu, grep.wall)
    row("replay, start-up", start.cpu, start.wall)
    row("replay, without start-up", full.cpu - start.cpu, full.wall - start.wall)
    row("replay, all of it", full.cpu, full.wall)
    row(f"replay --jobs {wanted.jobs}, all of it", shared.cpu, shared.wall)
    print(f"{'':<28}{'MiB':>8}{'allowed':>10}")
    for name, resources, used in (
        (f"peak, {wanted.resources} resources", wanted.resources, full),
        (f"peak, {wanted.many} resources", wanted.many, crowd),
    ):
        allowed = BASE_MIB + resources * RESOURCE_KIB / 1024
        print(f"{name:<28}{used.mib:>8.1f}{allowed:>10.1f}")


if __name__ == "__main__":
    main()
