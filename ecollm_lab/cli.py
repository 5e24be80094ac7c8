"""The command line: `ecollm-lab new-domain | check-domain | grade-agreement | doctor | sweep | import | emulate | study`."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path as FilePath
from threading import Event
from typing import Annotated, Any

import typer

from ecollm_lab.models import load_catalog
from ecollm_lab.records import DATA, LabError

CatalogFile = Annotated[
    FilePath,
    typer.Option(help="The model catalog.", show_default="the lab's own", envvar="ECOLLM_CATALOG"),
]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help=(
        "A lab for edge-cloud LLM orchestration: measure pipeline paths, find their Pareto front,"
        " replay policies under SLOs."
    ),
)


def _tell(command: Callable[..., Any]) -> Callable[..., Any]:
    """Print a `LabError` as one plain message and exit with 1."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except LabError as error:
            typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(1) from error

    return wrapped


@app.callback()
def main() -> None:
    """Set what every command needs before heavy libraries load."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault(
        "OMP_NUM_THREADS", "1"
    )  # the encoder and a model otherwise fight for cores and blur every latency


@app.command("check-domain")
@_tell
def check_domain(
    folder: Annotated[
        FilePath,
        typer.Argument(
            help="Folder with passages.jsonl and queries.jsonl, or smart_home, automotive."
        ),
    ],
) -> None:
    """Check a domain folder and print every fault with its file and line."""
    from ecollm_lab import domains

    folder = domains.domain_folder(str(folder))
    faults = domains.check_domain(folder)
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        typer.echo(f"{len(faults)} fault(s) in {folder}.", err=True)
        raise typer.Exit(1)
    domain = domains.load_domain(folder)
    kinds = ", ".join(f"{n} {kind}" for kind, n in _count(q.kind for q in domain.queries).items())
    typer.echo(
        f"{folder} is sound: {len(domain.passages)} passages, {len(domain.queries)} queries"
        f" ({kinds}); {len(domain.split('train'))} train, {len(domain.split('heldout'))} held out;"
        f" graded by {domain.grading.slug}."
    )
    for gap in domains.review.find_gaps(domain):
        typer.echo(f"Still missing: {gap}.")


def _names(option: str, words: str | None) -> list[str] | None:
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


def _count(items: Any) -> dict[str, int]:
    out: dict[str, int] = {}
    for item in items:
        out[item] = out.get(item, 0) + 1
    return out


@app.command("new-domain")
@_tell
def new_domain(
    name: Annotated[
        FilePath, typer.Argument(help="The new folder; its last part is the domain's name.")
    ],
    passages: Annotated[
        FilePath | None,
        typer.Option(
            help="Take passages from a .md (by heading), .txt (by paragraph) or .csv file."
        ),
    ] = None,
    queries: Annotated[
        FilePath | None,
        typer.Option(help="Take queries from a .csv file with the columns text and reference."),
    ] = None,
) -> None:
    """Write the folder of a new domain with comments and examples; nothing is overwritten."""
    from ecollm_lab.domains.new_domain import write_new_domain

    files = write_new_domain(name, passages=passages, queries=queries)
    typer.echo(
        f"Written: {', '.join(map(str, files))}\nFill them in as {files[-1]} says, then run:"
        f" ecollm-lab check-domain {name}"
    )


@app.command("grade-agreement")
@_tell
def grade_agreement(
    domain: Annotated[
        str, typer.Argument(help="smart_home, automotive, or a folder with a domain of your own.")
    ],
    labels: Annotated[
        FilePath,
        typer.Argument(
            help='JSON lines {"query_id": …, "answer": …, "label": 0 to 1}, labelled by you.'
        ),
    ],
    grading: Annotated[
        list[str] | None,
        typer.Option(help="A grader to compare; default: the domain's own. Repeatable."),
    ] = None,
    judge_model: Annotated[
        str | None, typer.Option(help="The catalog's model that --grading judge asks.")
    ] = None,
    catalog: CatalogFile = DATA / "models.toml",
    seed: Annotated[int, typer.Option(help="Seed of the bootstrap.")] = 0,
) -> None:
    """Say how far graders agree with reference labels: agreement rate, Cohen's kappa, rank correlation, with 95 % intervals."""
    from ecollm_lab.domains import Grading, domain_folder, grader_agreement, load_domain
    from ecollm_lab.models import ModelPool, default_encoder

    if "judge" in (grading or []) and not judge_model:
        raise LabError("--grading judge asks a model of the catalog: add --judge-model NAME.")
    loaded = load_domain(domain_folder(domain))
    labelled = grader_agreement.read_labels(labels, loaded)
    wanted = [
        Grading(name, judge_model if name == "judge" else None) for name in grading or []
    ] or [loaded.grading]
    with ModelPool(load_catalog(catalog)) as models:
        table = grader_agreement.compare_graders(
            loaded, labelled, wanted, default_encoder(), models, seed=seed
        )
    typer.echo(grader_agreement.report(table))


@app.command()
@_tell
def doctor(
    catalog: CatalogFile = DATA / "models.toml",
    models: Annotated[
        str | None,
        typer.Option(help="Model names separated by commas; default: all of the catalog."),
    ] = None,
) -> None:
    """Check each model with one small call: what would be used, at what price, or what is wrong and how to mend it."""
    from datetime import UTC, datetime

    from ecollm_lab.models import ModelPool
    from ecollm_lab.sweeps import diagnose
    from ecollm_lab.sweeps.doctor import report

    loaded = load_catalog(catalog)
    with ModelPool(loaded) as pool:
        found = diagnose(
            loaded,
            _names("--models", models) or list(loaded.models),
            pool,
            datetime.now(UTC).date(),
        )
    typer.echo(f"Catalog {catalog}\n{report(found)}")
    if not all(one.ok for one in found):
        raise typer.Exit(1)


@app.command()
@_tell
def sweep(
    domain: Annotated[
        str, typer.Option(help="smart_home, automotive, or a folder with a domain of your own.")
    ],
    paths: Annotated[
        str | None, typer.Option(help="Path ids separated by commas; default: the whole space.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="Run at most this many new outcomes.")] = None,
    max_cost_usd: Annotated[
        float | None,
        typer.Option(
            help=(
                "Never owe endpoints more than this for the domain, earlier runs on the store"
                " included."
            )
        ),
    ] = None,
    repeats: Annotated[
        int,
        typer.Option(
            help="Measure a sample of the calls so many times; a paid call is paid each time."
        ),
    ] = 1,
    repeat_share: Annotated[float, typer.Option(help="Share of the calls in that sample.")] = 0.05,
    isolate: Annotated[
        bool,
        typer.Option(
            help="Run each edge model in a process of its own, so that its crash costs one call."
        ),
    ] = False,
    catalog: CatalogFile = DATA / "models.toml",
    store: Annotated[
        FilePath, typer.Option(help="SQLite store; a sweep resumes from what it holds.")
    ] = FilePath("build/outcomes.sqlite"),
    out: Annotated[
        FilePath | None, typer.Option(help="Parquet trace; default: build/traces/<domain>.parquet.")
    ] = None,
) -> None:
    """Measure paths on a domain's queries, outcome by outcome, and export the trace. Stop and start it as you like."""
    from ecollm_lab.sweeps import domains as measuring

    with _stoppable(store) as stop:
        trace, file, progress = measuring.sweep_domain(
            domain,
            catalog_file=catalog,
            store_file=store,
            out=out,
            path_ids=_names("--paths", paths),
            limit=limit,
            max_cost_usd=max_cost_usd,
            repeats=repeats,
            repeat_share=repeat_share,
            isolate=isolate,
            stop=stop,
            on_estimate=lambda found: typer.echo(
                "".join(f"Estimate: {one}\n" for one in found), nl=False, err=True
            ),
            show_progress=True,
        )
    p = trace.provenance["sweep"]
    counts = [
        f"{progress.reused} reused",
        f"{p['failed']} failed",
        f"{progress.retried} retried",
        f"{progress.quarantined} quarantined",
    ]
    typer.echo(
        f"{progress.done} outcomes measured,"
        f" {', '.join(c for c in counts if c[:2] != '0 ' or 'reused' in c)},"
        f" {progress.cost_usd:.6f} USD (declared prices). Trace of {len(trace.outcomes)} outcomes:"
        f" {file}"
    )
    if progress.done + progress.failed:
        run = trace.provenance["runs"][-1]
        ran, asked = (
            sum(run[key].values())
            for key in ("stage_executions", "stage_executions_without_sharing")
        )
        typer.echo(
            f"{run['seconds']:g} s; {ran} stage executions instead of {asked}, which is"
            f" {ran / asked:.2f}: paths with the same beginning share it, and the same prompt is"
            f" asked once. Log of all runs: {file.with_suffix('.log.jsonl')}"
        )
    if p["failures"]:
        one = p["failures"][0]
        typer.echo(
            f"Failed, for example {one['query_id']} on {one['path_id']} after {one['attempts']}"
            f" attempts: {one['error']}",
            err=True,
        )
    if progress.stopped.startswith("budget spent"):
        typer.echo(
            f"The sweep ended early, {progress.stopped}. Raise --max-cost-usd to go on.", err=True
        )
    elif progress.stopped:
        raise LabError(f"The sweep ended early: {progress.stopped}")


@contextmanager
def _stoppable(store: FilePath) -> Iterator[Event]:
    """Turn the first Ctrl-C (or polite kill) into a request to stop, after which the command exits with 130; the second ends at once."""
    stop = Event()
    how = (
        f"Every finished outcome is in {store}; the same command goes on from there:\n "
        f" {' '.join(['ecollm-lab', *sys.argv[1:]])}\n"
    )

    def asked(number: int, frame: object) -> None:
        again = stop.is_set()
        stop.set()
        said = (
            f"\nStopped at once. {how}"
            if again
            else "\nStopping: what is in flight is finished and kept. Ctrl-C again ends at once.\n"
        )
        os.write(2, said.encode())  # a handler may come in the middle of a print
        if again:
            os._exit(130)

    before = {number: signal.signal(number, asked) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    except LabError as error:
        if not stop.is_set():
            raise
        typer.echo(str(error), err=True)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if stop.is_set():
            typer.echo(f"\nStopped. {how}", err=True)
            raise typer.Exit(130)


@app.command("import")
@_tell
def import_recorded(
    format: Annotated[
        str,
        typer.Argument(
            help="homeassistant, routerbench, routellm, or long (one row per query and path)."
        ),
    ],
    source: Annotated[
        FilePath,
        typer.Argument(
            help="CSV or Parquet file, or the folder of a clone (homeassistant, routellm)."
        ),
    ],
    out: Annotated[FilePath, typer.Argument(help="Parquet trace to write.")],
    column: Annotated[
        list[str] | None,
        typer.Option(help="long: a trace column and the file's, e.g. quality=score. Repeatable."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="Drop rows with this value, e.g. path_id=qwen3-4b. Repeatable."),
    ] = None,
    repeats: Annotated[
        str, typer.Option(help="A repeated query and path: error, or mean.")
    ] = "error",
    prices: Annotated[
        FilePath | None,
        typer.Option(help="CSV: path_id, price_in_usd_per_mtok, price_out_usd_per_mtok."),
    ] = None,
    heldout_share: Annotated[
        float, typer.Option(help="Share of texts held out where no split is recorded.")
    ] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of that split.")] = 0,
) -> None:
    """Turn recorded outcomes of real systems into a trace; what they do not record stays unknown."""
    from ecollm_lab.files import require_parquet
    from ecollm_lab.traces import import_outcomes

    require_parquet(out)
    trace = import_outcomes(
        format,
        source,
        columns=dict(_pairs("--column", column)),
        exclude=_pairs("--exclude", exclude),
        repeats=repeats,
        prices=prices,
        heldout_share=heldout_share,
        seed=seed,
    )
    trace.save(out)
    p = trace.provenance
    notes = [f"dropped {n} {reason.replace('_', ' ')}" for reason, n in p["dropped"].items()]
    notes += [f"{p['rows_averaged']} rows averaged"] * bool(p["rows_averaged"])
    notes += [f"not recorded: {', '.join(p['not_recorded'])}"] * bool(p["not_recorded"])
    notes.append(f"split {p['split']}")
    typer.echo(
        f"{trace.source_line}: {len(trace.outcomes)} outcomes ({'; '.join(notes)}), written to"
        f" {out}"
    )


def _pairs(option: str, words: list[str] | None) -> list[tuple[str, str]]:
    for word in words or []:
        if "=" not in word:
            raise LabError(f"{option} must be NAME=VALUE, got {word!r}.")
    return [(name, value) for name, _, value in (word.partition("=") for word in words or [])]


@app.command()
@_tell
def emulate(
    domain: Annotated[
        str, typer.Option(help="smart_home, automotive, or a folder with a domain of your own.")
    ],
    budget_share: Annotated[
        float | None,
        typer.Option(
            help=(
                "Budget as a share of all (query, path) pairs, e.g. 0.05; what the store holds"
                " counts."
            )
        ),
    ] = None,
    max_outcomes: Annotated[
        int | None, typer.Option(help="Budget in outcomes, those already in the store included.")
    ] = None,
    max_cost_usd: Annotated[
        float | None,
        typer.Option(help="Budget in US dollars, for outcomes already in the store too."),
    ] = None,
    seconds: Annotated[float | None, typer.Option(help="Budget in seconds of this run.")] = None,
    stop_at_regret: Annotated[
        float | None,
        typer.Option(help="Stop early once the expected regret is this small, e.g. 0.02."),
    ] = None,
    replay: Annotated[
        FilePath | None,
        typer.Option(help="Look outcomes up in this exhaustive trace instead of measuring them."),
    ] = None,
    paths: Annotated[
        str | None, typer.Option(help="Path ids separated by commas; default: the whole space.")
    ] = None,
    catalog: CatalogFile = DATA / "models.toml",
    store: Annotated[
        FilePath, typer.Option(help="SQLite store; what it holds counts and is not run again.")
    ] = FilePath("build/outcomes.sqlite"),
    out: Annotated[
        FilePath | None,
        typer.Option(help="Parquet trace; default: build/emulated/<domain>.parquet."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the exploration.")] = 0,
) -> None:
    """Find the Pareto front from a fraction of the outcomes: measure where they can still change it, on the training queries."""
    from ecollm_lab.emulator import Budget
    from ecollm_lab.emulator import domains as exploring

    given = (max_outcomes, max_cost_usd, seconds)
    with _stoppable(store) as stop:
        report = exploring.emulate_domain(
            domain,
            budget_share=budget_share,
            budget=None if given == (None, None, None) else Budget(*given),
            catalog_file=catalog,
            store_file=store,
            replay=replay,
            out=out,
            path_ids=_names("--paths", paths),
            stop_at_regret=stop_at_regret,
            seed=seed,
            stop=stop,
            show_progress=True,
        )
    typer.echo(report)


@app.command("study")
@_tell
def run_study(
    traces: Annotated[
        FilePath,
        typer.Option(help="Folder with the traces <domain>.parquet.", show_default="the lab's"),
    ] = DATA / "traces",
    figures: Annotated[
        FilePath, typer.Option(help="Where figures and summary.json go.")
    ] = FilePath("figures"),
    catalog: CatalogFile = DATA / "models.toml",
    live_outcomes: Annotated[
        int, typer.Option(help="Outcomes to measure anew per domain; 0 = none.")
    ] = 240,
    seed: Annotated[int, typer.Option(help="Seed of the live sample.")] = 0,
) -> None:
    """Re-measure a sample, cluster, find fronts, fit and replay policies; print the headline table and write the figures."""
    from ecollm_lab import study

    typer.echo(study.run(traces, figures, catalog, live_outcomes=live_outcomes, seed=seed))
