"""`python -m llmos` is `llmos`."""

import sys

from llmos.interfaces.cli import main

if __name__ == "__main__":
    sys.exit(main())
