"""Commands for a domain of one's own: write it, check it, and check its grader."""

from __future__ import annotations

from collections import Counter
from pathlib import Path as FilePath
from typing import Annotated

import typer

from ecollm_lab.cli.shared import CatalogFile
from ecollm_lab.records import DATA, LabError


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

    faults = domains.check_domain(folder)
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        typer.echo(f"{len(faults)} fault(s) in {folder}.", err=True)
        raise typer.Exit(1)
    domain = domains.load_domain(folder)
    kinds = Counter(query.kind for query in domain.queries)
    typer.echo(
        f"{folder} is sound: {len(domain.passages)} passages, {len(domain.queries)} queries"
        f" ({', '.join(f'{n} {kind}' for kind, n in kinds.items())});"
        f" {len(domain.split('train'))} train, {len(domain.split('heldout'))} held out;"
        f" graded by {domain.grading.slug}; {len(domain.characteristics)} questions in"
        " [characteristics]."
    )
    share = domains.review.unique_5gram_share(domain)
    typer.echo(f"Of the word 5-grams of its passages {share:.1%} occur once (unique_5gram_share).")
    for gap in domains.review.find_gaps(domain):
        typer.echo(f"Still missing: {gap}.")


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
    """Say how far graders agree with your labels.

    Prints agreement rate, Cohen's kappa and rank correlation, each with a 95 % interval.
    """
    from ecollm_lab.domains import Grading, grader_agreement, load_domain
    from ecollm_lab.models import ModelPool, default_encoder, load_catalog

    names = grading or []
    if "judge" in names and not judge_model:
        raise LabError("--grading judge asks a model of the catalog: add --judge-model NAME.")
    loaded = load_domain(domain)
    labelled = grader_agreement.read_labels(labels, loaded)
    graders = [Grading(name, judge_model if name == "judge" else None) for name in names]
    with ModelPool(load_catalog(catalog), patient=True) as models:
        table = grader_agreement.compare_graders(
            loaded, labelled, graders or [loaded.grading], default_encoder(), models, seed=seed
        )
    typer.echo(grader_agreement.report(table))
