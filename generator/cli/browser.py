"""Opens an address in the browser of whoever sits at this machine."""

from __future__ import annotations

import os
import sys
import webbrowser


def open_browser(address: str) -> None:
    """Open an address, where there is a terminal to start from and a screen to show it on."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY")
    graphical = sys.platform in ("darwin", "win32") or any(map(os.environ.get, screens))
    if graphical and os.isatty(1):
        webbrowser.open(address)
