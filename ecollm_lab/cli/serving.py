"""The command that serves a policy."""

from __future__ import annotations

import os
from pathlib import Path as FilePath
from typing import Annotated

import typer

from ecollm_lab.cli.shared import CatalogFile, DomainName
from ecollm_lab.records import DATA, SLO, LabError, Prefer


def serve(
    policy: Annotated[FilePath, typer.Option(help="A policy that save_policy wrote.")],
    domain: DomainName,
    catalog: CatalogFile = DATA / "models.toml",
    max_latency_s: Annotated[
        float | None,
        typer.Option(help="Most seconds that an answer may take, if a request brings no SLO."),
    ] = None,
    max_cost_usd: Annotated[
        float | None,
        typer.Option(help="Most US dollars that an answer may cost, if a request brings no SLO."),
    ] = None,
    min_quality: Annotated[
        float | None, typer.Option(help="Least expected quality of requests that bring no SLO.")
    ] = None,
    prefer: Annotated[
        str, typer.Option(help="quality, cost or latency, for requests that bring no SLO.")
    ] = "quality",
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8080,
    token_env: Annotated[
        str | None,
        typer.Option(help="The environment variable that holds the token clients must send."),
    ] = None,
    max_concurrent: Annotated[
        int, typer.Option(help="Questions answered at once; further ones get status 429.")
    ] = 64,
    log_questions: Annotated[
        bool, typer.Option(help="Write the texts of questions and of models' errors to the log.")
    ] = False,
    isolate: Annotated[
        bool, typer.Option(help="Run each edge model in a process of its own.")
    ] = False,
) -> None:
    """Answer live questions with a policy, behind the API that OpenAI's clients speak."""
    try:
        from ecollm_lab.serving.server import Files, Settings
        from ecollm_lab.serving.server import serve as run
    except ImportError as error:
        raise LabError(
            f"The server needs {error.name}, which is not installed. In the folder of"
            " the lab, run: pip install -c constraints.txt -e '.[edge,serve]'"
        ) from error
    settings = Settings(
        host, port, _token(token_env), max_concurrent=max_concurrent, log_questions=log_questions
    )
    wish: Prefer = prefer  # type: ignore[assignment]  # SLO checks it
    run(
        Files(policy, catalog, domain),
        SLO(max_latency_s, max_cost_usd, min_quality, wish),
        settings,
        isolate=isolate,
        on_ready=lambda runtime: typer.echo(
            f"{len(runtime.path_ids)} paths at http://{host}:{port}/ and, for OpenAI's clients,"
            f" http://{host}:{port}/v1",
            err=True,
        ),
    )


def _token(name: str | None) -> str | None:
    if name is None:
        return None
    token = os.environ.get(name, "").strip()
    if not token:
        raise LabError(f"--token-env names {name}, which is not set or empty. Set it to the token.")
    return token
