"""Photograph the explorer in a real JupyterLab: at its start, and under two SLOs.

python -m scripts.screenshots
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.browser import find_chromium, open_explorer

PLACE = Path("figures")
STATES = {
    "start": {},
    "tight": {"max_latency_s": "3 s", "max_cost_usd": ""},
    "infeasible": {"max_latency_s": "0.1 s", "max_cost_usd": "0.001"},
}


def main() -> None:
    """Write figures/explorer_*.png."""
    if not find_chromium():
        sys.exit("No Chromium found; install it: apt-get install chromium.")
    with open_explorer() as seen:
        for state, limits in STATES.items():
            for name, text in limits.items():
                seen.type(name, text)
            file = PLACE / f"explorer_{state}.png"
            seen.shot(file)
            print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
