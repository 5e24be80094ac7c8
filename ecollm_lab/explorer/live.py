"""A sweep or an exploration beside a notebook, with a progress bar and a stop button."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from pathlib import Path as FilePath
from threading import Event
from typing import Any, Generic, TypeVar

import ipywidgets as w
import numpy as np
import pandas as pd
from tqdm import tqdm

from ecollm_lab.emulator import Budget, ExplorationOptions, emulate_domain
from ecollm_lab.files import resolved
from ecollm_lab.records import LabError
from ecollm_lab.sweeps import DomainOptions, Progress, sweep_domain
from ecollm_lab.sweeps.job import Job, running
from ecollm_lab.traces import Trace

T = TypeVar("T")
SHOWN = 5  # paths of the front in the table
_WORDS = {
    "running": "Running",
    "stopping": "Stopping after what is in flight",
    "stopped": "Stopped",
    "done": "Done",
    "failed": "Failed",
}
_STYLES = {
    "running": "info",
    "stopping": "warning",
    "stopped": "warning",
    "done": "success",
    "failed": "danger",
}


class JobView(w.VBox, Generic[T]):
    """A job as a widget: a bar, what it has cost, the front so far, and a stop button.

    The cell ends at once and the kernel is free for others. Run the cell again and the same job is
    shown, not a second one started. A press of the button reaches the kernel as soon as no other
    cell is running there.

    Attributes
    ----------
    job
        What runs.
    """

    def __init__(self, job: Job[T]) -> None:
        self.job = job
        self.bar = w.IntProgress(0, max=1, layout=w.Layout(width="360px"))
        self.stop_button = w.Button(
            description="Stop",
            icon="stop",
            tooltip=(
                "Finish what is in flight and keep all that was measured; call it again to go on."
            ),
        )
        self.stop_button.on_click(lambda _button: job.stop())
        self.line, self.table = w.HTML(), w.HTML()
        super().__init__([w.HBox([self.bar, self.stop_button]), self.line, self.table])
        job.watch(self._update)

    def result(self, timeout: float | None = None) -> T:
        """Wait for the end and return the result; see `jobs.Job.result`."""
        return self.job.result(timeout)

    def stop(self) -> None:
        """Ask the job to end, as the button does; nothing measured is lost."""
        self.job.stop()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget, and for where no widgets run its words of this moment."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            data["text/html"] = f"<p>{self.line.value}</p>{self.table.value}"
        return bundle

    def _update(self) -> None:
        state, progress = self.job.state, self.job.progress
        live = state in ("running", "stopping")
        if progress is not None:
            self.bar.max, self.bar.value = max(progress.total, 1), progress.done + progress.failed
        elif state == "done":
            self.bar.value = self.bar.max
        self.bar.bar_style = _STYLES[state]
        self.stop_button.disabled = state != "running"
        self.stop_button.description = "Stop" if live else _WORDS[state]
        error = (
            ""
            if self.job.error is None
            else f"<br><b>{escape(_say(self.job.error))}</b> What was measured before is kept."
        )
        self.line.value = (
            f"<b>{escape(self.job.name)}</b>"
            f" {_WORDS[state]}{'' if progress is None else _numbers(progress, live)}.{error}"
        )
        self.table.value = _front_table(self.job.tally.front())


def _say(error: BaseException) -> str:
    return str(error) if isinstance(error, LabError) else f"{type(error).__name__}: {error}"


def _numbers(p: Progress, live: bool) -> str:
    """Say what is done of what, how long it takes still, and what it cost."""
    took = f", about {tqdm.format_interval(p.eta_s)} left" if live and np.isfinite(p.eta_s) else ""
    said = f": {p.done:,} of {p.total:,} outcomes{took}, {p.cost_usd:.6f} USD (declared prices)"
    said += f", {p.reused:,} were there before" if p.reused else ""
    said += f", {p.retried:,} calls tried again" if p.retried else ""
    said += f", {p.failed:,} failed" if p.failed else ""
    said += f", {p.quarantined:,} given up for good" if p.quarantined else ""
    return said + (
        f"; {p.stopped or 'ended early'}, call it again to go on"
        if p.done + p.failed < p.total and not live
        else ""
    )


def _front_table(front: pd.DataFrame) -> str:
    if front.empty:
        return ""
    shown = front.head(SHOWN)
    table = pd.DataFrame(
        {
            "path": shown["path_id"],
            "queries": shown["n"],
            "quality": shown["quality"].map("{:.3f}".format),
            "USD per 1,000 queries": shown["cost_usd"].map(lambda usd: f"{1000 * usd:.3g}"),
            "ms": (
                shown["latency_s"].map(
                    lambda s: f"{1000 * s:.3g}" if s < 0.9995 else f"{1000 * s:,.0f}"
                )
            ),
        }
    )
    more = (
        f" ({len(shown)} of {len(front)} paths, best quality first)"
        if len(front) > len(shown)
        else ""
    )
    return f"<i>Front of this run's outcomes{more}:</i>{table.to_html(index=False, border=0)}"


def sweep_live(
    domain: str, *, store_file: FilePath, **options: Any
) -> JobView[tuple[Trace, FilePath, Progress]]:
    """Sweep a domain beside the notebook; result and errors are those of `sweeps.sweep_domain`.

    `options` are its `catalog_file` and `out`, and the fields of `DomainOptions`, such as `limit`.

    A sweep stopped by its button, by an error or by the end of the kernel keeps every outcome
    measured; called again, it goes on. While one runs into a store, the same call shows it again
    and another one on that store is refused, so that no pair is measured twice.

    Raises
    ------
    LabError
        If another job runs into this store. Errors of the sweep itself are shown in the view and
        raised by `result()`.

    """
    return _start("sweep", domain, _sweep, store_file, options)


def _sweep(
    domain: str,
    *,
    catalog_file: FilePath,
    store_file: FilePath,
    stop: Event,
    on_progress: Callable[[Progress], None],
    out: FilePath | None = None,
    **options: Any,
) -> tuple[Trace, FilePath, Progress]:
    return sweep_domain(
        domain,
        catalog_file=catalog_file,
        store_file=store_file,
        out=out,
        options=DomainOptions(**options),
        stop=stop,
        on_progress=on_progress,
    )


def emulate_live(domain: str, *, store_file: FilePath, **options: Any) -> JobView[str]:
    """Explore a domain beside the notebook; result and errors of `emulator.emulate_domain`.

    `options` are its `budget`, `catalog_file` and `out`, and the fields of `ExplorationOptions`;
    the rest is like `sweep_live`.
    """
    return _start("emulate", domain, _emulate, store_file, options)


def _emulate(
    domain: str,
    *,
    budget: Budget,
    catalog_file: FilePath,
    store_file: FilePath,
    stop: Event,
    on_progress: Callable[[Progress], None],
    out: FilePath | None = None,
    **options: Any,
) -> str:
    return emulate_domain(
        domain,
        budget,
        catalog_file=catalog_file,
        store_file=store_file,
        out=out,
        options=ExplorationOptions(**options),
        stop=stop,
        on_progress=on_progress,
    )


def _start(
    kind: str, domain: str, work: Callable[..., T], store_file: FilePath, options: dict[str, Any]
) -> JobView[T]:
    """Start the work on its store, or show the job that already does exactly this."""
    store_file = resolved(store_file)
    key = store_file.resolve()
    asked = f"{kind} {domain}" + "".join(
        f", {name}={value}" for name, value in sorted(options.items())
    )
    job = running(key)
    if job is None or job.asked != asked:
        job = Job(
            lambda stop, report: work(
                domain, store_file=store_file, stop=stop, on_progress=report, **options
            ),
            name=f"{kind} {FilePath(domain).name}",
            key=key,
            asked=asked,
        )
    return JobView(job)
