"""`python -m jaxbm`."""

import sys

from jaxbm.cli import main

if __name__ == "__main__":
    sys.exit(main())
