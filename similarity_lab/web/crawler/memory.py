"""How much memory the crawler's process holds now."""

import resource
from pathlib import Path

from scrapy.extensions.memusage import MemoryUsage

_STATM = Path("/proc/self/statm")


class MemoryNow(MemoryUsage):
    """Scrapy's limit on memory, of what is held now instead of the peak.

    On Linux a process starts with the peak of the one that started it: crawls out of a notebook
    that holds a network would end before their first page.
    """

    def get_virtual_size(self) -> int:
        """Return the resident memory in bytes; where the system does not tell, the peak."""
        try:
            pages = int(_STATM.read_text().split()[1])
        except OSError:
            return int(super().get_virtual_size())
        return pages * resource.getpagesize()
