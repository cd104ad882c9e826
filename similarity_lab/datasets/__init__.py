"""Labelled images: load and split them, and find leaks (images that are in two splits)."""

from similarity_lab.datasets.dataset import ImageDataset
from similarity_lab.datasets.grocery import grocery_store
from similarity_lab.datasets.leaks import find_leaks
from similarity_lab.datasets.loading import load_dataset

__all__ = ["ImageDataset", "find_leaks", "grocery_store", "load_dataset"]
