"""The crawler's limit on memory."""

import resource
from pathlib import Path

from scrapy.extensions.memusage import MemoryUsage

_STATM = Path("/proc/self/statm")


class CurrentMemoryUsage(MemoryUsage):
    """Scrapy's memory limit, applied to the current size instead of the peak.

    On Linux a process inherits the peak of its parent, so crawls started from a notebook with a
    large model would end before their first page.
    """

    def get_virtual_size(self) -> int:
        """Return the resident memory in bytes; the peak where the system does not tell."""
        try:
            pages = int(_STATM.read_text().split()[1])
        except OSError:
            return int(super().get_virtual_size())
        return pages * resource.getpagesize()
