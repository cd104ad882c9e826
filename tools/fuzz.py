"""Fuzz the readers of untrusted bytes with Atheris (libFuzzer).

Kinds: images, archives, pages, lists, texts, copies.

    pip install atheris
    python tools/fuzz.py images -max_total_time=1800     or another kind
    python tools/fuzz.py images build/fuzz/images/crash-0123   reproduce a failure

The corpus starts with the seeds of `fuzz_targets` and stays in build/fuzz, so that a second run
resumes from there. An input that breaks a promise, crashes, takes too long or too
much memory is written beside it; fix the reader and add the input to tests/repo/fuzz/.
"""

import hashlib
import os
import sys
import warnings
import zlib
from pathlib import Path

try:
    import atheris
except ImportError:
    raise SystemExit("pip install atheris  (Linux, CPython 3.11 to 3.13)") from None

ROOT = Path(__file__).parents[1]
DICTIONARY = Path(__file__).with_name("fuzz_words.txt")
LIMITS = ["-timeout=10", "-rss_limit_mb=3000", "-max_len=65536"]
_PNG = b"\x89PNG\r\n\x1a\n"


def with_checksums(data: bytes) -> bytes:
    """Return a PNG with correct checksums, without which decoders ignore a chunk."""
    if not data.startswith(_PNG):
        return data
    parts, start = [_PNG], len(_PNG)
    while start + 12 <= len(data):
        end = start + 8 + int.from_bytes(data[start : start + 4], "big")
        if end + 4 > len(data):
            break
        parts += [data[start:end], zlib.crc32(data[start + 4 : end]).to_bytes(4, "big")]
        start = end + 4
    return b"".join([*parts, data[start:]])


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Mutate an input as libFuzzer does; most PNGs get correct checksums again."""
    mutated = atheris.Mutate(data, max_size)
    return with_checksums(mutated)[:max_size] if seed % 5 else mutated


def main() -> None:
    """Write the seeds and hand over to libFuzzer, which does not return."""
    with atheris.instrument_imports(include=["similarity_lab", "fuzz_targets", "PIL"]):
        from fuzz_targets import TARGETS

    if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
        raise SystemExit(f"usage: python tools/fuzz.py {'|'.join(TARGETS)} [libFuzzer's options]")
    kind, *options = sys.argv[1:]
    problems, seeds = TARGETS[kind]
    folder = ROOT / "build" / "fuzz" / kind
    corpus = folder / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for seed in seeds():
        (corpus / hashlib.sha256(seed).hexdigest()[:16]).write_bytes(seed)

    def test_one_input(data: bytes) -> None:
        messages = list(problems(data))
        if messages:
            raise AssertionError("\n".join(messages))

    warnings.simplefilter("ignore")
    inputs = [option for option in options if not option.startswith("-")]
    arguments = [
        sys.argv[0],
        *LIMITS,
        f"-dict={DICTIONARY}",
        f"-artifact_prefix={folder}/",
        *options,
    ]
    arguments += [] if inputs else [str(corpus)]
    atheris.Setup(arguments, test_one_input, custom_mutator=mutate)
    atheris.Fuzz()


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
