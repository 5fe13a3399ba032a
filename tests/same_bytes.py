"""What netgen writes and says of specs, as a digest for each: run for each hash seed alone.

``python -m tests.same_bytes FOLDER`` keeps what it says and writes in files there, to be compared.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

from torch_netgen.cli.cli import main

from .deep import is_deep

ROOT = Path(__file__).parent.parent
# what is asked of the specs of each folder
ASKED = {
    "configs": (("build", "--no-smoke", "-o", "-"), ("show", "--format", "json")),
    "starters": (("build", "--no-smoke", "-o", "-"), ("show", "--depth", "9")),
    "tests/specs": (
        ("build", "--no-smoke", "-o", "-"),
        ("show", "--batch", "2", "--depth", "9"),
        ("graph", "--depth", "9", "-o", "picture.mmd"),
        ("graph", "-o", "picture.html"),
    ),
    "tests/doubtful": (("build", "--no-smoke", "-o", "-"),),
    "tests/bad": (("check", "-v"), ("check", "--format", "github")),
}


def answer(path: Path, verbs: Sequence[Sequence[str]]) -> str:
    """What netgen says and writes when it is asked for these of a spec."""
    texts = []
    for verb, *more in verbs:
        with contextlib.redirect_stdout(io.StringIO()) as out:  # noqa: SIM117
            with contextlib.redirect_stderr(out):
                main([verb, str(path), *more])
        texts.append(out.getvalue())
        for written in sorted(Path().iterdir()):
            texts.append(written.read_text(encoding="utf-8"))
            written.unlink()
    return "\n".join(texts)


if __name__ == "__main__":
    kept = Path(sys.argv[1]).resolve() if sys.argv[1:] else None
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        for place, verbs in ASKED.items():
            for path in sorted((ROOT / place).glob("*.yaml")):
                if is_deep(path):
                    continue
                text = answer(path, verbs)
                print(f"{place}/{path.stem} {sha256(text.encode()).hexdigest()}")
                if kept is not None:
                    (kept / f"{path.parent.name}-{path.stem}").write_text(text, encoding="utf-8")
