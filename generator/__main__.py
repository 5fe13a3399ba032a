"""``python -m torch_netgen``."""

import sys

from .cli import main

sys.exit(main())
