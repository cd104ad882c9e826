"""Labelled images: load, split, and find leaks, images that are in two splits at once."""

from similarity_lab.datasets.dataset import ImageDataset
from similarity_lab.datasets.grocery import grocery_store
from similarity_lab.datasets.leaks import find_leaks
from similarity_lab.datasets.loading import load_dataset

__all__ = ["ImageDataset", "find_leaks", "grocery_store", "load_dataset"]
