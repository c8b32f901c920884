"""CPU time and memory of `rhscheck audit` against `grep -c` on the same file. Linux and macOS.

    python bench/audit_speed.py [--lines 1000000] [--keep DIR] [--huge] [--many 20000 100000]

Makes two logs of a failover cluster with 500 resources, one with 10 % of its lines about resources,
one with 73 %, as UTF-8; runs each command several times, and prints the best CPU time (user and
system, children included), the ratio to grep, and the largest resident memory: of a first run, with
nothing kept from earlier ones, and of those after it; then what the stages take of one million
lines, one after the other, in a process that has seen all messages before. `--huge` adds a log of
1 GB. `--many` adds logs of so many resources, each with one life, for their peak memory; `--many`
with `--lines 0` measures nothing else. The numbers of a shared machine differ by 15 % from run to
run, and by more where other work takes the caches.
"""

from __future__ import annotations

import argparse
import gc
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RESOURCES = 500
# Memory is to stay below so much, and so much for each resource.
BASE_MIB, RESOURCE_KIB = 64, 2
OTHERS = (
    "[GUM] Node 2: Executing locally gumId: {n}, updates: 1, first action: /dm/update",
    "[NETFTAPI] received NsiDeleteInstance for fe80::5efe:10.0.{a}.{b}",
    "[QUORUM] Node 2: death timer is already running, {a} seconds left.",
    "[GEM] Node 2: Deleting [1:{n} , 1:{n}] (both included) as it has been ack'd by every node",
    "[NM] Received request from client address SVR{a}.",
    "[CORE] Node 2: Clearing cookie d4ed3788-7946-4d2c-b4a4-e9bb88ff{a:04x}",
)


def life(name: str) -> list[tuple[str, str]]:
    """The lines about one resource from offline to online and back: component's process, text."""
    reports = "RHS is about to report"
    return [
        ("rcm", f"INFO  [RCM] Res {name}: Offline -> OnlineCallIssued( StateUnknown )"),
        ("rcm", f"INFO  [RCM] TransitionToState({name}) Offline-->OnlineCallIssued."),
        ("rcm", f"INFO  [RCM] Issuing Online({name}) to RHS."),
        ("rhs", f"INFO  [RES] File Share Witness <{name}>: Obtaining the virtual server token."),
        (
            "rcm",
            f"INFO  [RCM] HandleMonitorReply: ONLINERESOURCE for '{name}', gen(0) result 997/0.",
        ),
        ("rcm", f"INFO  [RCM] TransitionToState({name}) OnlineCallIssued-->OnlinePending."),
        *(
            (
                "rhs",
                f"INFO  [RHS] Resource {name} called SetResourceStatusEx: checkpoint {point}. "
                "Old state OnlinePending, new state OnlinePending, AppSpErrorCode 0, Flags 0, "
                "nores=false",
            )
            for point in range(2, 6)
        ),
        (
            "rhs",
            f"INFO  [RHS] Resource {name} has come online. {reports} status change to RCM",
        ),
        ("rcm", f"INFO  [RCM] TransitionToState({name}) OnlinePending-->Online."),
        ("rcm", f"INFO  [RCM] TransitionToState({name}) Online-->OfflineCallIssued."),
        ("rcm", f"INFO  [RCM] Issuing Offline({name}) to RHS."),
        (
            "rhs",
            f"INFO  [RHS] Resource {name} has come offline. {reports} resource status to RCM.",
        ),
        ("rcm", f"INFO  [RCM] TransitionToState({name}) OfflineCallIssued-->Offline."),
    ]


def write_log(path: Path, lines: int, share: float) -> None:
    """A log in which `share` of the lines are about resources.

    The first line of a life is printed again at once in another form, as real logs do it.
    """
    rng = random.Random(7)
    begun = share * 15 / 16  # lines that are not such a second one
    chance = begun / (1 - begun / 15)
    twice: int | None = None
    names = [f"File Share Witness {number}" for number in range(RESOURCES)]
    lives = [life(name) for name in names]
    at = [0] * RESOURCES
    now = 1_600_000_000_000
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for number in range(lines):
            now += 0 if twice is not None else rng.randrange(20)
            if twice is not None or rng.random() < chance:
                who = rng.randrange(RESOURCES) if twice is None else twice
                twice = who if twice is None and at[who] == 0 else None
                process, text = lives[who][at[who]]
                at[who] = (at[who] + 1) % len(lives[who])
                pid = "00000fe4" if process == "rcm" else f"{0x1A00 + 4 * (who % 5):08x}"
            else:
                pid = "00000fe4"
                pattern = OTHERS[rng.randrange(len(OTHERS))]
                text = "INFO  " + pattern.format(n=number, a=rng.randrange(99), b=rng.randrange(99))
            out.write(f"{pid}.{rng.randrange(4096):08x}::{stamp(now)} {text}\n")


def write_lives(path: Path, resources: int) -> None:
    """A log in which every resource goes through its life once, all of them at the same time."""
    now = 1_600_000_000_000
    with path.open("w", encoding="utf-8", newline="\n") as out:
        for number, (process, text) in enumerate(life("%")):
            for who in range(resources):
                now += who % 3 == 0
                pid = "00000fe4" if process == "rcm" else f"{0x1A00 + 4 * (who % 5):08x}"
                said = text.replace("%", f"File Share Witness {who}")
                out.write(f"{pid}.{number:08x}::{stamp(now)} {said}\n")


def stamp(millis: int) -> str:
    """`2020/09/13-12:26:40.000`."""
    seconds, rest = divmod(millis, 1000)
    if seconds not in _STAMPS:
        _STAMPS.clear()
        _STAMPS[seconds] = time.strftime("%Y/%m/%d-%H:%M:%S", time.gmtime(seconds))
    return f"{_STAMPS[seconds]}.{rest:03}"


_STAMPS: dict[int, str] = {}


def cpu(command: list[str], times: int) -> float:
    """The best CPU time of the command in seconds."""
    best = float("inf")
    for _ in range(times):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            command, stdout=subprocess.DEVNULL, check=False, env={**os.environ, "LC_ALL": "C"}
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def peak_mib(command: list[str]) -> float:
    """The largest resident memory of the command, in a process of its own that starts it."""
    script = (
        "import resource,subprocess,sys;"
        "subprocess.run(sys.argv[1:],stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *command], capture_output=True, text=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    return int(done.stdout) * unit / 1048576


def measure(path: Path, times: int) -> None:
    """Print one row: the first time, when a spec is compiled; and later, when it need not be."""
    audit = [sys.executable, "-m", "rhscheck", "audit", str(path), "--quiet"]
    empty = path.with_name("empty.log")
    empty.write_text("", encoding="utf-8")
    idle = [*audit[:-2], str(empty), "--quiet"]
    with tempfile.TemporaryDirectory() as cache:
        os.environ["RHSCHECK_CACHE_DIR"] = ""
        # As in an installation, what is imported is compiled already; the writing of it is not
        # measured.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = cache
        cpu(idle, 1)
        first, first_mib = cpu(audit, 1), peak_mib(audit)
        start = cpu(idle, times + 1)
        # In turn, so that other work on the machine is the same for both.
        grep = took = float("inf")
        for _ in range(times):
            grep = min(grep, cpu(["grep", "-c", "SetStatus", str(path)], 1))
            took = min(took, cpu(audit, 1))
        mib = peak_mib(audit)
        compiled = [*audit, "--set", "CallTimeout=301s"]
        slow = f"; with a spec to compile {cpu(compiled, 1):.2f} s, {peak_mib(compiled):.0f} MiB"
    print(
        f"{path.name:<12} {path.stat().st_size / 1e6:8.0f} MB  grep {grep:6.2f} s"
        f"  audit {took:6.2f} s (of it start-up {start:.2f})  ratio {took / grep:5.1f}"
        f", without start-up {(took - start) / grep:5.1f}  peak {mib:.0f} MiB"
        f"; the first time {first:.2f} s, {first_mib:.0f} MiB{slow}"
    )


def crowd(path: Path, resources: int) -> None:
    """Print what a log of so many resources takes at its peak."""
    took = peak_mib([sys.executable, "-m", "rhscheck", "audit", str(path), "--quiet"])
    allowed = BASE_MIB + resources * RESOURCE_KIB / 1024
    print(
        f"{resources:,} resources, {path.stat().st_size / 1e6:.0f} MB: peak {took:.1f} MiB,"
        f" allowed {allowed:.1f}"
    )


def stages(path: Path, times: int) -> None:
    """Print what each stage takes, the least of several passes over the file."""
    from rhscheck.traces.audit.story import Story
    from rhscheck.traces.logmap.load import load_map
    from rhscheck.traces.logmap.read import LogReader
    from rhscheck.traces.logmap.text import blocks

    gc.set_threshold(100_000)  # much as the command does
    logmap = load_map("clusterlog")
    reader, story = LogReader(logmap), Story()
    best: dict[str, float] = {}
    for _ in range(times + 1):
        took = dict.fromkeys(("blocks", "read", "told"), 0.0)
        with path.open("rb") as stream:
            reader.begin(stream)
            now = time.process_time()
            for _block in blocks(stream, reader.sniffed):
                then = time.process_time()
                took["blocks"] += then - now
                now = then
            stream.seek(0)
            before = reader.lines
            now = time.process_time()
            for batch in reader.batches(stream):
                then = time.process_time()
                took["read"] += then - now
                story.take_batch(batch)
                now = time.process_time()
                took["told"] += now - then
        millions = (reader.lines - before) / 1e6
        best = {name: min(best.get(name, 9e9), part / millions) for name, part in took.items()}
    print(
        f"{path.name:<12} of a million lines: blocks {best['blocks']:.2f} s, reading with them"
        f" {best['read']:.2f} s, telling {best['told']:.2f} s"
    )


def main() -> None:
    """Make the logs and measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--times", type=int, default=3)
    parser.add_argument("--keep", type=Path, help="a folder for the logs, which are reused")
    parser.add_argument("--huge", action="store_true", help="also 1 GB")
    parser.add_argument("--many", type=int, nargs="*", default=[], help="numbers of resources")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        for name, share, lines in (
            *((("sparse.log", 0.10, options.lines),) if options.lines else ()),
            *((("dense.log", 0.73, options.lines),) if options.lines else ()),
            *((("huge.log", 0.10, 9_500_000),) if options.huge else ()),
        ):
            path = folder / name
            if not path.exists():
                write_log(path, lines, share)
            huge = name == "huge.log"
            measure(path, 1 if huge else options.times)
            if not huge:
                stages(path, options.times)
        for resources in options.many:
            path = folder / f"many-{resources}.log"
            if not path.exists():
                write_lives(path, resources)
            crowd(path, resources)


if __name__ == "__main__":
    main()
