"""What leaves the explorer: lines of code, TOML for serving, tables."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ecollm_lab import files
from ecollm_lab.explorer import answers, page
from ecollm_lab.explorer.decision import Decision
from ecollm_lab.explorer.labels import key_of
from ecollm_lab.explorer.policy_marks import add
from ecollm_lab.explorer.states import slo_of
from ecollm_lab.explorer.views import FILTERS, View
from ecollm_lab.records import SLO, LabError

if TYPE_CHECKING:
    from ecollm_lab.explorer.widget import Explorer


def written(explorer: Explorer, what: str) -> str:
    """Return what an explorer hands out as text: "csv", "code", "toml" or "html"."""
    if what == "csv":
        return files.csv_text(explorer.selection)
    if what == "code":
        return explorer.code
    if what == "toml":
        name = explorer.policy.name if explorer.policy else None
        source, decision = explorer.trace.provenance, explorer.decision
        return toml_of(explorer.view, explorer.state, decision, name, source)
    return html(explorer)


def html(explorer: Explorer) -> str:
    """Return the offline page: the same screen, with what was computed so far and a little more."""
    view, marks = explorer.view, explorer.marks
    where = key_of(*(explorer.state[name] for name in FILTERS))
    first = filter(None, [explorer.chosen, explorer.state["selected"]])
    behind = answers.of_the_front(explorer.board, view, list(first), where)
    policies = explorer.policy_marks
    if policies is not None:
        marks = add(marks, where, policies.rows(view)[1], policies.course(view, explorer.slo))
    traits = {
        name: getattr(explorer, name) for name in ("fixed", "state", "forgotten", "measuring")
    }
    known = {
        "marks": marks,
        "views": {**explorer.views, where: explorer.tables(where)},
        "answers": {**behind, **explorer.answers},
        "journey": {"at": 0, "steps": [["start", explorer.state]]},
    }
    return page.html({**traits, **known}, explorer.fallback())


def slo_code(slo: SLO) -> str:
    """Return the expression that makes an SLO, exactly."""
    parts = [
        f"{name}={getattr(slo, name)!r}"
        for name in ("max_latency_s", "max_cost_usd", "min_quality")
        if getattr(slo, name) is not None
    ]
    return f"SLO({', '.join([*parts, f'prefer={slo.prefer!r}'])})"


def code(slo: SLO, state: dict[str, Any], chosen: str | None) -> str:
    """Return lines that give the same SLO and choice again; `trace` is the trace explored."""
    return "\n".join(
        [
            "from ecollm_lab import SLO, explore",
            f"slo = {slo_code(slo)}",
            f"explorer = explore(trace, state={state!r})",
            f"assert explorer.slo == slo and explorer.chosen == {chosen!r}",
            "selection = explorer.selection  # the feasible paths, as a DataFrame",
        ]
    )


def toml(
    slo: SLO,
    chosen: str | None,
    policy: str | None,
    provenance: dict[str, Any],
    numbers: dict[str, Any],
) -> str:
    """Return what a server needs as TOML: the tables `slo`, `choice` and `provenance`."""
    limits = {
        name: getattr(slo, name)
        for name in ("max_latency_s", "max_cost_usd", "min_quality", "prefer")
    }
    choice = {"path_id": chosen, "policy": policy, **numbers}
    lines = [
        "# An SLO and what was chosen under it. Limits per query; latency in seconds, cost in US"
        " dollars."
    ]
    for title, table in (("slo", limits), ("choice", choice), ("provenance", provenance)):
        lines += ["", f"[{title}]", *_pairs(table)]
        lines += [
            line
            for key, value in table.items()
            if isinstance(value, dict)
            for line in _table(f"{title}.{_key(key)}", value)
        ]
    return "\n".join(lines) + "\n"


def toml_of(
    view: View, state: dict[str, Any], decision: Decision, policy: str | None, provenance: dict
) -> str:
    """Return `toml` of a decision, with what its winner delivered on the selected queries."""
    i = decision.chosen
    if i is None:
        raise LabError(
            "No path keeps this SLO, so there is nothing to serve; widen a limit first (the"
            " explorer names the nearest)."
        )
    numbers = {
        "n_queries": int(view.n[i]),
        "limits_hold_for": state["statistic"],
        "placement": str(view.placement[i]),
        "quality": float(view.quality[i]),
        "quality_low": float(view.low[i]),
        "quality_high": float(view.high[i]),
        "cost_usd": float(view.cost["mean"][i]),
        "cost_p95_usd": float(view.cost["p95"][i]),
        "latency_s": float(view.latency["mean"][i]),
        "latency_p95_s": float(view.latency["p95"][i]),
    }
    return toml(slo_of(state), view.path_ids[i], policy, provenance, numbers)


def _table(name: str, table: dict[str, Any]) -> list[str]:
    nested = [
        line
        for key, value in table.items()
        if isinstance(value, dict)
        for line in _table(f"{name}.{_key(key)}", value)
    ]
    return ["", f"[{name}]", *_pairs(table), *nested]


def _pairs(table: dict[str, Any]) -> list[str]:
    return [
        f"{_key(key)} = {_value(value)}"
        for key, value in table.items()
        if value is not None and not isinstance(value, dict)
    ]


def _key(key: object) -> str:
    text = str(key)
    return (
        text
        if text.isascii() and text.replace("_", "").replace("-", "").isalnum()
        else _value(text)
    )


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return repr(value)  # nan and inf are TOML too
    if isinstance(value, int):
        return repr(value)
    if isinstance(value, dict):  # inside a list
        pairs = (f"{_key(key)} = {_value(one)}" for key, one in value.items() if one is not None)
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_value(v) for v in value)}]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007F")
