"""``python -m fastgru``: the command line."""

import sys

from fastgru.cli import main

sys.exit(main())
