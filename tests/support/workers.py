"""A sweep of the smart home with a pocket model and a scripted endpoint, here or on workers."""

from contextlib import contextmanager
from dataclasses import replace

from ecollm_lab.domains import load_domain
from ecollm_lab.models import ModelPool, load_catalog
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.sweeps import Store, SweepOptions, fingerprints, sweep
from tests.conftest import SMALL, LetterEncoder
from tests.support.rig import cloud

HOME = load_domain("data/smart_home")
CATALOG = load_catalog("tests/data/models.toml")
# One model under four names: paths that differ in the name alone share a call, so that many
# outcomes take little time.
MODEL = replace(CATALOG[SMALL], max_tokens=8)
TWINS = ["a", "b", "c", "d"]
EDGE_IDS = [f"none/{found}/none/plain/{name}" for found in ("none", "bm25-1") for name in TWINS]


@contextmanager
def sweeping(store_file, judge, ids, n):
    """Yield what sweeps n queries on the paths, and the store with the marks of its paths."""
    hosted = cloud("ok", judge.base_url)
    models = {name: replace(MODEL, name=name) for name in TWINS} | {hosted.name: hosted}
    catalog = replace(CATALOG, models=models, hyde_model="a")
    home = replace(HOME, queries=HOME.queries[:n])
    space = PathSpace.of(catalog).select(ids)
    with Store(store_file) as store, ModelPool(catalog) as pool:
        pipeline = Pipeline(home, catalog, LetterEncoder(), pool)
        marks = fingerprints(home, catalog, "letters", space)

        def go(on_progress=None, **options):
            asked = SweepOptions(**options)
            return sweep(
                pipeline, home.queries, space.paths, store, marks, asked, on_progress=on_progress
            )

        go.pipeline, go.store, go.marks = pipeline, store, set(marks.values())
        yield go


def rows(go):
    """Return what does not depend on the clock of each outcome, by pair."""
    outcomes = [outcome for mark in go.marks for outcome in go.store.outcomes(mark)]
    return {
        (o.query_id, o.path_id): (o.quality, o.tokens_in, o.tokens_out, o.answer, o.truncated)
        for o in outcomes
    }
