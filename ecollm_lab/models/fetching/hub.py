"""A file from the Hugging Face hub, fetched by a process of its own in which the hub is allowed.

`huggingface_hub` reads HF_HUB_OFFLINE once, when it is imported, and the lab sets that variable so
that its encoder never asks the hub. Fetching overrides it, for the process that fetches alone.
"""

from __future__ import annotations

import sys
from pathlib import Path as FilePath
from threading import Event

from ecollm_lab.models.fetching.child import run
from ecollm_lab.models.fetching.download import Download, SourceFailed
from ecollm_lab.models.sources import HubSource

PROGRAM = FilePath(__file__).with_name("hub_process.py")
ONLINE = {
    "HF_HUB_OFFLINE": "0",
    "HF_HUB_DISABLE_XET": "1",  # what xet has fetched is lost with its process; plain HTTP resumes
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
}


def from_hub(source: HubSource, download: Download, stop: Event) -> FilePath:
    """Fetch a file into the parts folder, go on from what an earlier try left there, and return it.

    Raises
    ------
    SourceFailed
        If the hub cannot be reached, does not have the file, or has one of another size.

    """
    partial = download.parts / "hub.partial"
    command = [sys.executable, "-P", str(PROGRAM), source.hub, source.file, str(partial)]
    code, errors = run([*command, str(download.size)], ONLINE, stop)
    if code:
        raise SourceFailed(errors.strip().rpartition("\n")[2] or f"it ended with code {code}")
    return partial
