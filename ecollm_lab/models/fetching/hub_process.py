"""Fetches one file from the hub, run as `hub_process.py REPOSITORY FILE PARTIAL BYTES`."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path as FilePath

from filelock import FileLock
from huggingface_hub import get_hf_file_metadata, get_token, hf_hub_url
from huggingface_hub.file_download import http_get
from huggingface_hub.utils import build_hf_headers


def fetch(repository: str, file: str, partial: FilePath, size: int) -> None:
    """Append to `partial` what it lacks of a file on the hub, if that has the right size."""
    url = hf_hub_url(repository, file)
    found = get_hf_file_metadata(url, token=get_token())
    if found.size != size:
        raise ValueError(f"the hub's file has {found.size} bytes, the catalog says {size}")
    with FileLock(f"{partial}.lock"), partial.open("ab") as stream:
        if stream.tell() > size:
            stream.seek(0)
            stream.truncate()
        headers = build_hf_headers(token=get_token())
        http_get(url, stream, resume_size=stream.tell(), headers=headers, expected_size=size)


def _end_with_parent() -> None:
    """Wait until the parent's end of the pipe closes, then end this process at once."""
    os.read(0, 1)  # nothing is ever written to it
    os._exit(1)


def main() -> None:
    """Fetch, and give the reason of a failure as the last line of the error output."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    repository, file, partial, size = sys.argv[1:]
    try:
        fetch(repository, file, FilePath(partial), int(size))
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {' '.join(str(error).split())}")


if __name__ == "__main__":
    main()
