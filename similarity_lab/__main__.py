"""``python -m similarity_lab``: the command line."""

import sys

from similarity_lab.cli import main

if __name__ == "__main__":
    sys.exit(main())
