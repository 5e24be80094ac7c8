"""The explorer's controls and where they stand: plain widgets, each reachable by Tab and moved by arrows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files

import ipywidgets as w
import numpy as np

LABELS = {
    "latency": "latency limit (s)",
    "cost": "cost limit (USD/1k)",
    "min_quality": "least quality",
}
TABS = ("paths", "queries behind the path", "policy replay", "journey", "copy as code")
STEPS = 120  # of a slider; it runs over the logarithm
HIDDEN, SHOWN = "none", "inline-flex"
_FILL = {"width": "auto", "flex": "1 1 0", "min_width": "0"}


class Controls:
    """All widgets but the figure.

    Attributes
    ----------
    latency, cost, min_quality
        Sliders; the right end of the first two means "no limit". `typed` has a box for exact values
        of each, `strips` its reachable band.
    prefer, statistic, split, kind, cluster, show_dominated, show_beyond, path
        What else is chosen; `path` is the table of paths.
    sentence, card, mix, queries, queries_head, policy, journey, code
        What is shown.
    offers, win
        Buttons that change the SLO: to what is nearest and feasible, and to what lets the selected
        path win.

    """

    def __init__(
        self,
        ranges: Mapping[str, Sequence[np.ndarray]],
        fronts: Mapping[str, np.ndarray],
        filters: Mapping[str, list[str]],
    ) -> None:
        self.latency = log_slider("latency", ranges["latency"], fronts["latency"])
        self.cost = log_slider("cost", ranges["cost"], fronts["cost"])
        self.min_quality = w.FloatSlider(
            0.0,
            min=0,
            max=1,
            step=0.01,
            readout=False,
            layout=w.Layout(width="auto"),
            description="",
        )
        self.tabs = w.Tab(titles=TABS).add_class("ecl-tabs")
        self.sliders = {"latency": self.latency, "cost": self.cost, "min_quality": self.min_quality}
        self.typed = {name: self._box(slider) for name, slider in self.sliders.items()}
        self.strips = {name: w.HTML() for name in self.sliders}
        self.prefer = _buttons(
            ["quality", "cost", "latency"],
            "58px",
            ["best quality", "cheapest of those nearly as good", "fastest of those nearly as good"],
        )
        self.statistic = _buttons(
            ["mean", "p95"], "58px", ["limits hold for means", "limits hold for 95th percentiles"]
        )
        self.split, self.kind, self.cluster = (
            w.Dropdown(
                options=[(f"{name}: {o}", o) for o in filters[name]],
                value=filters[name][0],
                layout=w.Layout(**_FILL),
            )
            for name in ("split", "kind", "cluster")
        )
        self.show_dominated, self.show_beyond = (
            w.Checkbox(True, description=text, indent=False, layout=w.Layout(**_FILL))
            for text in ("dominated", "beyond limits")
        )
        self.tables = w.ToggleButton(
            True,
            description="tables",
            tooltip="show or hide the tables below",
            layout=w.Layout(**_FILL),
        )
        self.tables.observe(
            lambda change: setattr(self.tabs.layout, "display", None if change["new"] else HIDDEN),
            "value",
        )
        self.path = w.Select(rows=8, layout=w.Layout(width="100%", height="128px"))
        (
            self.sentence,
            self.card,
            self.mix,
            self.queries,
            self.queries_head,
            self.policy,
            self.journey,
        ) = (w.HTML() for _ in range(7))
        self.code = w.Textarea(rows=6, layout=w.Layout(width="100%", height="118px"))
        self.offers = [w.Button(layout=w.Layout(display=HIDDEN, width="auto")) for _ in range(2)]
        self.win = w.Button(
            layout=w.Layout(display=HIDDEN, width="auto"),
            tooltip="change the SLO as little as lets this path win",
        )

    @staticmethod
    def _box(slider: w.Widget) -> w.Text:
        return w.Text(
            spelt(slider.value),
            disabled=slider.disabled,
            layout=w.Layout(width="92px"),
            continuous_update=False,
        )

    def arrange(
        self,
        figure: w.Widget,
        legend: str,
        head: str,
        acts: Mapping[str, tuple[str, Callable[[], object]]],
    ) -> list[w.Widget]:
        """Return the rows of the explorer: sentence; controls, figure and card; tables. `acts` are buttons: text → (tip, what it does)."""
        made = {text: button(text, tip, act) for text, (tip, act) in acts.items()}
        groups = [
            w.VBox(
                [
                    w.HBox([w.Label(LABELS[name], layout=w.Layout(**_FILL)), self.typed[name]]),
                    slider,
                    self.strips[name],
                ]
            ).add_class(f"ecl-{name}")
            for name, slider in self.sliders.items()
        ]
        turning, steering = list(made.values())[:2], list(made.values())[2:]
        left = w.VBox(
            [
                *groups,
                w.HBox([w.Label("prefer", layout=w.Layout(width="56px")), self.prefer]),
                w.HBox([w.Label("limits on", layout=w.Layout(width="56px")), self.statistic]),
                w.HBox([self.split, self.kind]),
                *([w.HBox([self.cluster])] if len(self.cluster.options) > 2 else []),
                w.HBox([self.show_dominated, self.show_beyond]),
                w.HBox([*steering, self.tables]),
            ],
            layout=w.Layout(width="250px", flex="0 0 auto", padding="0 6px 0 0"),
        ).add_class("ecl-controls")
        centre = w.VBox(
            [w.HTML(legend), figure, self.mix],
            layout=w.Layout(flex="1 1 0", min_width="440px", overflow="hidden"),
        )
        right = w.VBox(
            [self.card.add_class("ecl-card"), self.win],
            layout=w.Layout(width="230px", flex="0 0 auto", padding="0 0 0 8px"),
        )
        for one in turning:
            one.layout.flex = "0 0 auto"
        for one in steering[:2]:
            one.layout.flex = "0 0 34px"
        self.tabs.children = (
            w.VBox([w.HTML(f"<div class='ecl-mono ecl-dim'>{head}</div>"), self.path]),
            w.VBox([w.HBox([*turning, self.queries_head]), self.queries]),
            self.policy,
            self.journey,
            w.VBox([w.Label("These lines give the same again:"), self.code]),
        )
        self.tabs.titles, self.tabs.selected_index = TABS, 0
        style = w.HTML(
            f"<style>{files('ecollm_lab.explorer.saved').joinpath('style.css').read_text()}</style>",
            layout=w.Layout(display=HIDDEN),
        )
        self.sentence.layout = w.Layout(flex="1 1 0")
        offers = w.VBox(
            self.offers,
            layout=w.Layout(
                width="230px", flex="0 0 auto", justify_content="center", padding="0 0 0 8px"
            ),
        )
        top = w.HBox([self.sentence.add_class("ecl-sentence"), offers]).add_class("ecl-top")
        return [style, top, w.HBox([left, centre, right]).add_class("ecl-middle"), self.tabs]


def button(text: str, tip: str, act: Callable[[], object]) -> w.Button:
    """Return a button that does something."""
    made = w.Button(description=text, tooltip=tip, layout=w.Layout(**_FILL))
    made.on_click(lambda _: act())
    return made


def log_slider(name: str, values: Sequence[np.ndarray], front: np.ndarray) -> w.FloatLogSlider:
    """Return a slider over the range of positive values, standing in the gap above the median of the front; disabled if there is none."""
    every = np.concatenate(list(values))
    every = every[np.isfinite(every) & (every > 0)]
    look = {
        "readout": False,
        "layout": w.Layout(width="auto"),
        "tooltip": f"{name} limit; the right end means no limit",
    }
    if not len(every):
        return w.FloatLogSlider(1.0, min=-1, max=0, disabled=True, **look)
    low, high = np.log10(every.min() * 0.97), np.log10(every.max() * 1.03)
    front = np.sort(front[np.isfinite(front) & (front > 0)])
    value = 10**high
    if len(front):
        at = (len(front) - 1) // 2
        above = every[every > front[at]]
        value = float(np.sqrt(front[at] * above.min())) if len(above) else value
    return w.FloatLogSlider(
        value, min=float(low), max=float(high), step=float((high - low) / STEPS), **look
    )


def span(slider: w.Widget) -> tuple[float, float]:
    """Return the lowest and highest value of a slider."""
    return (
        (10**slider.min, 10**slider.max)
        if isinstance(slider, w.FloatLogSlider)
        else (slider.min, slider.max)
    )


def spelt(value: float) -> str:
    """Return a number as its box shows it: a browser's own box for numbers would write out all zeros of a small one."""
    return f"{value:.4g}"


def read(text: str, slider: w.Widget) -> float:
    """Return the number that was typed, within the slider's range; the slider's value if it is none."""
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        return float(slider.value)
    low, high = span(slider)
    return float(slider.value) if np.isnan(value) else min(max(value, low), high)


def _buttons(options: list[str], width: str, tips: list[str]) -> w.ToggleButtons:
    return w.ToggleButtons(options=options, tooltips=tips, style={"button_width": width})
