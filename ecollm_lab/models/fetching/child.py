"""Programs that fetching runs beside itself: they end when it is told to stop, or is killed."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from threading import Event


class Stopped(Exception):
    """The caller asked fetching to stop, with Ctrl-C for example."""


def run(command: Sequence[str], env: Mapping[str, str], stop: Event) -> tuple[int, str]:
    """Run a program with some variables of its own; return its exit code and error output.

    Its standard input is a pipe that closes when this process ends, however that comes about.

    Raises
    ------
    Stopped
        If `stop` is set before the program has ended; then the program has been ended.

    """
    if stop.is_set():
        raise Stopped
    alive, ours = os.pipe()
    try:
        with subprocess.Popen(
            command,
            env=os.environ | env,
            stdin=alive,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as child:
            while True:
                try:
                    errors = child.communicate(timeout=0.2)[1]
                except subprocess.TimeoutExpired:
                    if stop.is_set():
                        child.kill()
                        raise Stopped from None
                else:
                    return child.returncode, errors
    finally:
        os.close(alive)
        os.close(ours)
