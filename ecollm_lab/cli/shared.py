"""What several commands share: common options, error messages, the progress bar, and Ctrl-C."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path as FilePath
from threading import Event
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecollm_lab.records import LabError

if TYPE_CHECKING:
    from ecollm_lab.sweeps import Progress

CatalogFile = Annotated[
    FilePath,
    typer.Option(help="The model catalog.", show_default="the lab's own", envvar="ECOLLM_CATALOG"),
]
DomainName = Annotated[
    str, typer.Option(help="smart_home, automotive, or a folder with a domain of your own.")
]
PathIds = Annotated[
    str | None, typer.Option(help="Path ids separated by commas; default: the whole space.")
]


def show_errors(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let a command print a `LabError`, or what the system refused, as one message; exit with 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except LabError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error
        except OSError as error:  # a full disk, a folder that nobody may write to
            place = f"{error.filename}: " if error.filename else ""
            typer.echo(f"Error: {place}{error.strerror or error}", err=True)
            raise typer.Exit(1) from error

    return wrapped


def split_names(option: str, words: str | None) -> list[str] | None:
    """Split names at commas; None if the option was left out."""
    if words is None:
        return None
    names = [name.strip() for name in words.split(",") if name.strip()]
    if not names:
        raise LabError(
            f"{option} names nothing, got {words!r}. Leave it out for all, or give names separated"
            " by commas."
        )
    return names


@contextmanager
def progress_bar() -> Iterator[Callable[[Progress], None]]:
    """Draw a bar on standard error; yields the function that takes each `Progress`.

    It also prints each notice once.
    """
    from tqdm import tqdm

    printed: set[str] = set()
    with tqdm(unit=" outcomes", smoothing=0.05, delay=0.5) as bar:

        def show(progress: Progress) -> None:
            for notice in progress.notices:
                if notice not in printed:
                    printed.add(notice)
                    bar.write(f"Notice: {notice}", file=sys.stderr)
            bar.total = progress.total
            bar.set_postfix_str(f"{progress.cost_usd:.6f} USD", refresh=False)
            bar.update(progress.done + progress.failed - bar.n)

        yield show


@contextmanager
def stop_on_interrupt(store: FilePath) -> Iterator[Event]:
    """Turn the first Ctrl-C or SIGTERM into a request to stop.

    The command then exits with 130. A second Ctrl-C ends it at once.
    """
    stop = Event()
    resume = (
        f"Every finished outcome is in {store}; the same command goes on from there:\n "
        f" {shlex.join(['ecollm-lab', *sys.argv[1:]])}\n"
    )

    def on_signal(number: int, frame: object) -> None:
        again = stop.is_set()
        stop.set()
        message = (
            f"\nStopped at once. {resume}"
            if again
            else "\nStopping: what is in flight is finished and kept. Ctrl-C again ends at once.\n"
        )
        os.write(2, message.encode())  # not print: a signal may come in the middle of a print
        if again:
            os._exit(130)

    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, on_signal) for number in signals}
    try:
        yield stop
    except LabError as error:
        if not stop.is_set():
            raise
        typer.echo(str(error), err=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if stop.is_set():  # and no other error, which would not be told
        typer.echo(f"\nStopped. {resume}", err=True)
        raise typer.Exit(130)
