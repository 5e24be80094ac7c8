"""A small clone of home-assistant-datasets, written run by run."""

import csv
from dataclasses import dataclass, field
from pathlib import Path

QUOTA = (
    "Sorry, I had a problem getting a response: {\n  'error': {\n    'code': 429,\n"
    "    'message': 'You exceeded your current quota, please check your plan and billing details.'"
)
_HEADER = [
    "task_id",
    "model_id",
    "category",
    "text",
    "tool_call",
    "response",
    "task_name",
    "label",
    "details",
]


@dataclass
class Clone:
    """Writes verdicts and reports of runs as the published clone has them."""

    folder: Path
    _rows: dict = field(default_factory=dict)

    def model(self, name, place="cloud", cost=None):
        """Write models/<name>.yaml; `cost` is what stands below cost:, in dollars per million."""
        prices = "".join(f"  {way}_tokens: {price}\n" for way, price in (cost or {}).items())
        text = f"---\nmodel_id: {name}\nurls:\n  - x\ncategories:\n  - vendor\n  - {place}\n"
        self._write(f"models/{name}.yaml", text + ("cost:\n" + prices if cost else ""))

    def run(self, task, model, version, *, good=True, answer="Done.", ms=500, tokens=((300, 20),)):
        """Write one run; tokens are (in, out) of each call, and anything may be null."""
        folder = f"reports/assist/{version}"
        verdict = [task, model, "light", "Hall light off", "", answer, "test", good, ""]
        verdict[7] = "Good" if good else "Bad"
        rows = self._rows.setdefault(folder, [_HEADER])
        rows.append(verdict)
        (self.folder / folder).mkdir(parents=True, exist_ok=True)
        with (self.folder / folder / "report.csv").open("w", newline="") as file:
            csv.writer(file, quoting=csv.QUOTE_ALL).writerows(rows)
        calls = "".join(
            "  - event_type: agent_detail\n    data:\n      stats:\n"
            f"        input_tokens: {n_in}\n        output_tokens: {n_out}\n"
            for n_in, n_out in tokens
        )
        text = (
            f"---\ntask_id: {task}\nmodel_id: {model}\ntask:\n  input_text: Hall light off\n"
            f"context:\n  duration_ms: {ms}\n  conversation_trace:\n{calls}"
        )
        self._write(f"{folder}/{model}/{task}.yaml", text)

    def _write(self, name, text):
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
