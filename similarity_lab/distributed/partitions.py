"""Split a list of websites into partitions: the units that are worked on, written and resumed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

from similarity_lab.errors import InputError, UrlError
from similarity_lab.web.policy.urls import normalize_url, site_key
from similarity_lab.web.site_list import NamedUrl


@dataclass(frozen=True)
class Partition:
    """Some of the websites of a run.

    Attributes
    ----------
    number : int
        From 0.
    positions : tuple of int
        Of its sites in the list.
    sites : tuple of NamedUrl
    """

    number: int
    positions: tuple[int, ...]
    sites: tuple[NamedUrl, ...]

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.number:06d}"

    @property
    def digest(self) -> str:
        """SHA-256 of its sites: a partition with other sites is another one."""
        return hashlib.sha256(json.dumps([self.positions, self.sites]).encode()).hexdigest()


def split_sites(sites: Sequence[NamedUrl], n_hosts: int) -> list[Partition]:
    """Return the partitions of a list of websites.

    All sites on one registered domain are in one partition, so that one crawler keeps to its rate
    limit and finds repeated sites. Sites that are appended to the list change no partition but the
    last, unless they are on a domain that is in it already.

    Parameters
    ----------
    sites : sequence of NamedUrl
    n_hosts : int
        Domains per partition.

    Examples
    --------
    >>> urls = ["a.example/nuts", "b.example", "a.example/oats", "c.example"]
    >>> [part.positions for part in split_sites([NamedUrl(url, url) for url in urls], 2)]
    [(0, 2, 1), (3,)]
    """
    if n_hosts < 1:
        raise InputError(f"partition_size must be at least 1, got {n_hosts}")
    groups: dict[str, list[int]] = {}
    for position, site in enumerate(sites):
        groups.setdefault(_key(site.url), []).append(position)
    remaining = iter(groups.values())
    partitions: list[Partition] = []
    while batch := list(islice(remaining, n_hosts)):
        positions = tuple(position for group in batch for position in group)
        chosen = tuple(sites[position] for position in positions)
        partitions.append(Partition(len(partitions), positions, chosen))
    return partitions


def _key(url: str) -> str:
    try:
        return site_key(normalize_url(url))
    except UrlError:  # refused by the crawler, with the reason
        return url
