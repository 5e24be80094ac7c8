"""Photograph the SLO explorer in a real JupyterLab: at its start, under a tight SLO, under an infeasible one.

python -m scripts.screenshots
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.browser import find_chromium, open_explorer

PLACE = Path("figures")
STATES = {
    "start": [],
    "tight": [("cost", "End", 1), ("latency", "ArrowRight", 40)],
    "infeasible": [("latency", "Home", 1), ("cost", "Home", 1)],
}


def main() -> None:
    """Write figures/explorer_*.png."""
    if not find_chromium():
        sys.exit("No Chromium found; install it: apt-get install chromium.")
    with open_explorer() as seen:
        for state, moves in STATES.items():
            for name, key, times in moves:
                seen.press(name, key, times)
            file = PLACE / f"explorer_{state}.png"
            seen.shot(file)
            print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
