"""Untrusted files: list folders, unpack archives, write atomically, download with resume."""

from similarity_lab.files.listing import (
    existing_folder,
    list_files,
    part_of,
    skipped_table,
    whole,
)

__all__ = ["existing_folder", "list_files", "part_of", "skipped_table", "whole"]
