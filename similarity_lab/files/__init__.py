"""Untrusted files: list folders, unpack archives, write atomically, download with resume."""

from similarity_lab.files.archives import (
    extract_for_process,
    extract_zip,
    folder_for_process,
    is_zip,
)
from similarity_lab.files.atomic import atomic_write, part_path
from similarity_lab.files.listing import existing_folder, list_files, skipped_table

__all__ = [
    "atomic_write",
    "existing_folder",
    "extract_for_process",
    "extract_zip",
    "folder_for_process",
    "is_zip",
    "list_files",
    "part_path",
    "skipped_table",
]
