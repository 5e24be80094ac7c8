"""The application that collects all commands."""

from __future__ import annotations

import os
from collections.abc import Callable

import typer

from ecollm_lab.cli import domains, emulation, fetching, models, serving, study, sweeps, traces
from ecollm_lab.cli.shared import show_errors

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help=(
        "A lab for edge-cloud LLM orchestration: measure pipeline paths, find their Pareto front,"
        " replay policies under SLOs."
    ),
)
COMMANDS: dict[str, Callable[..., None]] = {
    "new-domain": domains.new_domain,
    "check-domain": domains.check_domain,
    "grade-agreement": domains.grade_agreement,
    "doctor": models.doctor,
    "sweep": sweeps.sweep,
    "join": sweeps.join,
    "import": traces.import_recorded,
    "emulate": emulation.emulate,
    "serve": serving.serve,
    "study": study.run_study,
}
for name, command in COMMANDS.items():
    app.command(name)(show_errors(command))
app.add_typer(fetching.models, name="models")


@app.callback()
def prepare() -> None:
    """Set what every command needs before heavy libraries are loaded."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    # With more threads, the encoder and a model compete for cores, and every latency is blurred.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
