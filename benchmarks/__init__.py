"""How fast netgen is, and what memory it takes: ``python -m benchmarks``, or ``make bench``.

Nothing of it is installed with netgen. What is measured is the netgen that is installed beside
the Python that runs this, by its command.
"""

from pathlib import Path

ROOT = Path(__file__).parent.parent
CONFIGS = ROOT / "configs"
PAGE = ROOT / "docs" / "performance.md"
KEPT = ROOT / "build" / "bench.json"  # the last figures
