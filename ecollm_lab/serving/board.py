"""A Runtime in a notebook: sliders of an SLO beside a table of the last answers."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import ipywidgets as w
import numpy as np

from ecollm_lab.records import SLO, Query
from ecollm_lab.serving.results import results_table
from ecollm_lab.serving.runtime import Runtime

SHOWN = 10  # answers in the table
COLUMNS = {
    "path_id": "path",
    "expected_quality": "expected quality",
    "quality": "quality",
    "expected_usd": "expected USD",
    "cost_usd": "USD",
    "expected_s": "expected s",
    "latency_s": "s",
    "bound": "bound by",
    "refused": "refused",
}


class Board(w.HBox):
    """Sliders of an SLO, and the last answers that a Runtime gave under it.

    Questions are answered in a thread of their own, so that the sliders can be dragged meanwhile:
    each question gets the SLO that they show when its turn comes. The right end of a slider means
    that there is no limit.

    Parameters
    ----------
    runtime
        What answers; it is its owner's to close.
    example
        A question by whose forecasts the sliders get their range.

    """

    def __init__(self, runtime: Runtime, example: str) -> None:
        self.runtime = runtime
        outlook = runtime.outlook(runtime.forecasts.of(runtime.forecasts.embed(example)))
        self.latency = _slider("latency ≤ (s)", outlook.latency_s)
        self.cost = _slider("cost ≤ (USD)", outlook.cost_usd)
        self.prefer = w.Dropdown(options=["quality", "cost", "latency"], description="prefer")
        self.table = w.HTML()
        self._stopped, self._faults = threading.Event(), list[Exception]()
        self._thread: threading.Thread | None = None
        controls = w.VBox([self.latency, self.cost, self.prefer])
        super().__init__([controls, self.table])
        self._show()

    @property
    def slo(self) -> SLO:
        """What the sliders ask for."""
        return SLO(
            max_latency_s=_limit(self.latency),
            max_cost_usd=_limit(self.cost),
            prefer=self.prefer.value,
        )

    def ask(self, questions: Iterable[str | Query], *, pause_s: float = 0.0) -> None:
        """Answer questions one after another, with a pause after each; return at once."""
        self.wait()
        self._stopped.clear()
        self._thread = threading.Thread(target=self._answer, args=(list(questions), pause_s))
        self._thread.start()

    def _answer(self, questions: list[str | Query], pause_s: float) -> None:
        try:
            for question in questions:
                self.runtime.answer(question, self.slo)
                self._show()
                if self._stopped.wait(pause_s):
                    return
        except Exception as error:  # raised where somebody waits
            self._faults.append(error)

    def wait(self) -> None:
        """Return when the questions are answered; raise what went wrong meanwhile."""
        if self._thread is not None:
            self._thread.join()
        if self._faults:
            raise self._faults.pop()

    def stop(self) -> None:
        """Answer no more questions than the one on its way."""
        self._stopped.set()
        self.wait()

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        """Return the widget, and for where no widgets run the table of this moment."""
        bundle = super()._repr_mimebundle_(**kwargs)
        data = bundle[0] if isinstance(bundle, tuple) else bundle
        if data is not None:
            words = "Sliders of an SLO beside the last answers; run the cell to drag them."
            data["text/html"] = f"<p>{words}</p>{self.table.value}"
        return bundle

    def _show(self) -> None:
        with self.runtime.learning:
            last = list(self.runtime.results)[-SHOWN:]
        shown = results_table(last)[list(COLUMNS)].rename(columns=COLUMNS)
        self.table.value = shown.to_html(index=False, float_format="{:.3g}".format, na_rep="")


def _slider(name: str, values: np.ndarray) -> w.FloatLogSlider:
    """Return a slider from below the least of the values to above the largest; NaN are left out."""
    found = np.log10(values[np.isfinite(values) & (values > 0)])
    low, high = (found.min() - 0.3, found.max() + 0.7) if len(found) else (-3.0, 3.0)
    return w.FloatLogSlider(
        value=10**high, min=low, max=high, step=0.05, description=name, readout_format=".2g"
    )


def _limit(slider: w.FloatLogSlider) -> float | None:
    return None if slider.value >= 0.99 * 10**slider.max else float(slider.value)
