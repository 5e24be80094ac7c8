"""Photograph the figures of `make reproduce` as PNG with a headless Chromium, where one is installed.

python -m scripts.pictures
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.browser import FLAGS, find_chromium

PICTURE = (
    *FLAGS, "--hide-scrollbars", "--window-size=1200,500", "--virtual-time-budget=10000",
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2",  # a mouse, away from the figure: no buttons in the picture
)  # fmt: skip


def main() -> None:
    """Write one PNG beside each HTML figure."""
    browser = find_chromium()
    if not browser:
        sys.exit("No Chromium found; install it, or open the HTML files in any browser.")
    for page in sorted(Path("figures").glob("*.html")):
        picture = page.with_suffix(".png").resolve()
        with tempfile.TemporaryDirectory() as profile:
            subprocess.run(
                [browser, *PICTURE, f"--user-data-dir={profile}", f"--screenshot={picture}", page.resolve().as_uri()],
                check=True,
                capture_output=True,
            )
        print(picture.name)


if __name__ == "__main__":
    main()
