"""`python -m rsconv` is `rsconv`."""

import sys

from rsconv.cli import main

if __name__ == "__main__":
    sys.exit(main())
