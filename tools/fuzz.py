"""Feed the readers of pictures, archives and pages what strangers may send: outside CI, for hours.

    python tools/fuzz.py images --minutes 30 --out build/fuzz
    python tools/fuzz.py pages --minutes 30 --out build/fuzz     (also: archives)
    python tools/fuzz.py images --input build/fuzz/images-0-1234.bin      what is wrong with one

A child process reads, with a limit on memory and on the time for one input; whatever kills it is
kept, and the next one goes on. Started again, a run goes on where it stopped. Every finding is a
file with the bytes and one that says what was wrong.
"""

import argparse
import json
import mmap
import os
import resource
import signal
import subprocess
import sys
import time
import traceback
import warnings
from pathlib import Path

from fuzz_inputs import mutated
from fuzz_targets import TARGETS

MEMORY = 2 * 2**30  # bytes a reader may take beside what the libraries take
SECONDS = 10  # of processor time for one input


def problems(kind: str, data: bytes) -> list[str]:
    """Return what is wrong with what the readers of a kind make of these bytes."""
    try:
        return list(TARGETS[kind][0](data))
    except Exception:  # anything that is not promised
        return [traceback.format_exc()]


def child(kind: str, seed: int, out: Path, until: float, most: int) -> None:
    """Read input after input, and write down which one, until the time is over."""
    warnings.simplefilter("ignore")
    TARGETS[kind][1]()  # the seeds are made before there is a limit
    problems(kind, b"")  # and libraries loaded
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    with (out / f"{kind}-{seed}.at").open("r+b") as file, mmap.mmap(file.fileno(), 8) as at:
        number = int.from_bytes(at, "little")
        while time.time() < until and number < most:
            at[:] = number.to_bytes(8, "little")
            data = mutated(TARGETS[kind][1], seed, number)
            signal.setitimer(signal.ITIMER_PROF, SECONDS)  # its signal ends the process
            found = problems(kind, data)
            signal.setitimer(signal.ITIMER_PROF, 0)
            if found:
                keep(out, kind, seed, number, "\n".join(found))
            number += 1
        at[:] = number.to_bytes(8, "little")


def keep(out: Path, kind: str, seed: int, number: int, text: str) -> None:
    """Write an input and what is wrong with it."""
    path = out / f"{kind}-{seed}-{number}"
    path.with_suffix(".bin").write_bytes(mutated(TARGETS[kind][1], seed, number))
    path.with_suffix(".txt").write_text(text + "\n", encoding="utf-8", errors="backslashreplace")
    print(f"{path}: {text.strip().splitlines()[-1][:200]}", flush=True)


def run(kind: str, seed: int, out: Path, minutes: float, most: int) -> dict[str, object]:
    """Let children read until the time is over; return how it went, also kept as JSON."""
    out.mkdir(parents=True, exist_ok=True)
    at, state = out / f"{kind}-{seed}.at", out / f"{kind}-{seed}.json"
    if not at.exists():
        at.write_bytes(bytes(8))
    before = json.loads(state.read_text())["seconds"] if state.exists() else 0.0
    start = time.time()
    until = start + 60 * minutes
    while True:
        command = [sys.executable, __file__, kind, "--out", str(out), "--seed", str(seed)]
        command += ["--child", str(until), "--inputs", str(most)]
        with (out / f"{kind}-{seed}.log").open("ab") as log:  # decoders print what they think
            ended = subprocess.run(command, stderr=log, check=False).returncode  # noqa: S603
        number = int.from_bytes(at.read_bytes(), "little")
        if ended > 0:
            raise SystemExit(f"the fuzzer itself failed, see {out / f'{kind}-{seed}.log'}")
        if ended:
            keep(out, kind, seed, number, f"the process was ended: {signal.Signals(-ended).name}")
            at.write_bytes((number + 1).to_bytes(8, "little"))
        outcome = {
            "inputs": number + bool(ended),
            "seconds": round(before + time.time() - start, 1),
            "findings": sorted(path.stem for path in out.glob(f"{kind}-{seed}-*.bin")),
        }
        state.write_text(json.dumps(outcome, indent=1) + "\n")
        if not ended or time.time() > until:
            return outcome


def main() -> int:
    """Fuzz, or look at one input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("kind", choices=TARGETS)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--inputs", type=int, default=2**62, help="most inputs in all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("build/fuzz"))
    parser.add_argument("--input", type=Path, help="say what is wrong with this file")
    parser.add_argument("--child", type=float, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.input:
        found = problems(given.kind, given.input.read_bytes())
        print("\n".join(found) or "nothing is wrong with it")
        return bool(found)
    if given.child:
        child(given.kind, given.seed, given.out, given.child, given.inputs)
        return 0
    outcome = run(given.kind, given.seed, given.out, given.minutes, given.inputs)
    print("{inputs:,} inputs in {seconds} s, findings: {findings}".format(**outcome))
    return bool(outcome["findings"])


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
