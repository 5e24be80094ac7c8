"""Photograph the figures of `make reproduce` as PNG with a headless Chromium.

python -m scripts.pictures                     those the README and the docs may show
python -m scripts.pictures all                 every figure
python -m scripts.pictures smart_home_equal    those named
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from scripts.browser import FLAGS, find_chromium

PICTURE = (
    *FLAGS,
    "--hide-scrollbars",
    "--virtual-time-budget=10000",
    # a mouse, away from the figure: no buttons in the picture
    "--blink-settings=primaryHoverType=2,availableHoverTypes=2",
)
WIDTH = 1200
SHOWN = (
    "smart_home_front",
    "automotive_front",
    "smart_home_latency",
    "automotive_attainment",
    "smart_home_choice_mix",
    "smart_home_equal",
    "automotive_equal",
    "emulator_hypervolume_ratio",
    "smart_home_winners",
    "automotive_sensitivity",
    "smart_home_contribution",
    "automotive_stage_latency",
    "automotive_whole_paths",
    "payoff_homeassistant",
    "payoff_bfcl",
    "payoff_hotpotqa_rag",
    "payoff_smart_home",
    "payoff_automotive",
    "payoff_pocket_smart_home",
    "payoff_pocket_automotive",
)


def main(names: list[str], folder: Path = Path("figures")) -> None:
    """Write the named pictures beside their HTML figures."""
    browser = find_chromium()
    if not browser:
        sys.exit("No Chromium found; install it, or open the HTML files in any browser.")
    drawn = {page.stem for page in folder.glob("*_*.html")}
    wanted = sorted(drawn) if names == ["all"] else names or SHOWN
    unknown = [name for name in wanted if name not in drawn]
    if unknown:
        sys.exit(
            f"No figure {unknown[0]!r} in {folder}/; run `make reproduce` first. There are:"
            f" {', '.join(sorted(drawn)) or 'none'}."
        )
    for name in wanted:
        print(photograph(folder / f"{name}.html", browser).name)


def photograph(page: Path, browser: str) -> Path:
    """Write the PNG of an HTML figure beside it, as tall as the figure; return the file."""
    picture = page.with_suffix(".png").resolve()
    heights = re.findall(r'"height":(\d+)', page.read_text()[-200_000:])
    height = int(heights[-1]) if heights else 480
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser,
                *PICTURE,
                f"--window-size={WIDTH},{height}",
                f"--user-data-dir={profile}",
                f"--screenshot={picture}",
                page.resolve().as_uri(),
            ],
            check=True,
            capture_output=True,
        )
    return picture


if __name__ == "__main__":
    main(sys.argv[1:])
