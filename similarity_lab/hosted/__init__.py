"""Hosted services that compare two pictures, for those who hold a key.

The study weighed two and turned them down. Here they plug in where comparators do, so that they can
be measured beside the others: asked only when a distance is wanted, never more often than allowed,
and never twice for the same two pictures.
"""

from .comparator import HostedComparator, Usage
from .costs import Estimate, Price, cost_of
from .services import DEEPAI, Service, rapidapi

__all__ = [
    "DEEPAI",
    "Estimate",
    "HostedComparator",
    "Price",
    "Service",
    "Usage",
    "cost_of",
    "rapidapi",
]
