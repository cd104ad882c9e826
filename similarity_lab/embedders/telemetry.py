"""Keep OpenVINO and NNCF from reporting that they are used."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["without_telemetry"]

_TELEMETRY = "openvino_telemetry"


@contextmanager
def without_telemetry() -> Iterator[None]:
    """Import something as if the package that reports the use of OpenVINO were not installed.

    When they are imported, OpenVINO and NNCF report it to their makers over the network and write
    an identifier to ``~/intel``, unless `openvino_telemetry` cannot be imported.
    """
    is_loaded = _TELEMETRY in sys.modules  # imported by other code: too late
    if not is_loaded:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # makes its import fail
    try:
        yield
    finally:
        if not is_loaded:
            del sys.modules[_TELEMETRY]
