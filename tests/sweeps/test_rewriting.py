"""The call that rewrites a query on a path with hyde is stored and journalled like any other."""

import dataclasses

import pytest

from ecollm_lab.models import CallFailed
from ecollm_lab.models.replies import EndpointClosed
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.sweeps import Ended, Store, SweepOptions, fingerprints, sweep
from ecollm_lab.sweeps.order import fair_order
from tests.paths.test_pipeline import CATALOG, PLAIN, Echo

SPACE = PathSpace.over(["s", "c"], choices=PLAIN)


MARKS = {path.id: f"f{path.model}" for path in SPACE}


class Slow(Echo):
    """Takes its time, each time another."""

    def reply(self, prompt):
        return dataclasses.replace(super().reply(prompt), latency_s=self.calls / 1000)


def test_another_model_that_rewrites_is_another_fingerprint_on_its_paths_alone(domain):
    space = PathSpace.over(["s", "c"], hyde=True, choices=PLAIN)
    one, other = (
        fingerprints(domain, dataclasses.replace(CATALOG, hyde_model=name), "e", space)
        for name in ("s", "c")
    )
    assert (
        {path_id for path_id in one if one[path_id] != other[path_id]}
        == {p.id for p in space if p.id.startswith("hyde/")}
        != set()
    )
    assert {path_id: one[path_id] for path_id in MARKS} == fingerprints(domain, CATALOG, "e", SPACE)


HYDE = PathSpace.over(["s", "c"], hyde=True, choices=PLAIN).select(
    f"hyde/{found}/none/{name}" for found in ("dense-1", "hybrid-3") for name in "sc"
)


def test_the_call_that_rewrites_is_kept_and_timed_as_any_other(domain, encoder, tmp_path):
    models = {"s": Slow({}), "c": Echo({}), "h": Slow({})}
    marks = {path.id: "f" for path in HYDE}
    catalog = dataclasses.replace(
        CATALOG, models={**CATALOG.models, "h": CATALOG["s"]}, hyde_model="h"
    )
    with Store(tmp_path / "s.sqlite") as store:
        pipeline = Pipeline(domain, catalog, encoder, models)
        assert sweep(pipeline, domain.queries, HYDE.paths[:2], store, marks).done == 4
        assert models["h"].calls == 2
        pipeline = Pipeline(domain, catalog, encoder, models)
        assert sweep(pipeline, domain.queries, HYDE.paths, store, marks).done == 4
        assert models["h"].calls == 2  # from the store
        assert (
            pipeline.executions["generate"]
            == len(models["s"].answers) + len(models["c"].answers) - 4
        )
        for i, query in enumerate(fair_order(domain.queries), start=1):
            rewriting = [
                o.stage_latency_s[0] for o in store.outcomes("f") if o.query_id == query.id
            ]
            assert rewriting == [i / 1000] * len(
                HYDE
            )  # what the call took, for those that found it in the store too
    assert len(list(pipeline.run(domain.queries[0], HYDE))) == len(
        HYDE
    )  # the pipeline no longer asks the store, which is closed
    assert models["h"].calls == 3


def test_a_call_that_rewrites_and_fails_costs_its_pairs_and_is_made_once_a_query(
    domain, encoder, tmp_path
):
    class Broken(Echo):
        def reply(self, prompt):
            super().reply(prompt)
            raise CallFailed("two workers died", attempts=2, state="quarantined")

    models = {"s": Echo({}), "c": Echo({}), "h": Broken({})}
    catalog = dataclasses.replace(
        CATALOG, models={**CATALOG.models, "h": CATALOG["s"]}, hyde_model="h"
    )
    paths = [*SPACE.paths[:1], *HYDE.paths]
    marks = {path.id: "f" for path in paths}
    with Store(tmp_path / "s.sqlite") as store:
        progress = sweep(
            Pipeline(domain, catalog, encoder, models), domain.queries, paths, store, marks
        )
        assert (progress.done, progress.failed, models["h"].calls) == (2, 8, 2)
        assert {failure.error for failure in store.failures("f")} == {"two workers died"}
        again = sweep(
            Pipeline(domain, catalog, encoder, models), domain.queries, paths, store, marks
        )
        assert (again.total, again.quarantined, models["h"].calls) == (0, 8, 2)
    with Store(
        tmp_path / "capped.sqlite"
    ) as store:  # nor does it end one that looks whether its cap buys a call
        progress = sweep(
            Pipeline(domain, catalog, encoder, models),
            domain.queries,
            HYDE.paths,
            store,
            marks,
            SweepOptions(max_cost_usd=1.0),
        )
        assert (progress.done, progress.failed) == (0, 8)


@pytest.mark.parametrize("max_cost_usd", [None, 1.0])
def test_a_model_that_rewrites_and_takes_no_calls_closes_its_own_paths_alone(
    domain, encoder, tmp_path, max_cost_usd
):
    class Closed(Echo):
        def reply(self, prompt):
            super().reply(prompt)
            raise EndpointClosed("Model 'h' takes no calls: its first one failed.")

    models = {"s": Echo({}), "c": Echo({}), "h": Closed({})}
    catalog = dataclasses.replace(
        CATALOG, models={**CATALOG.models, "h": CATALOG["s"]}, hyde_model="h"
    )
    paths = [*HYDE.paths, *SPACE.select(["none/none/none/plain/s"])]
    marks = {path.id: "f" for path in paths}
    with Store(tmp_path / "s.sqlite") as store:
        pipeline = Pipeline(domain, catalog, encoder, models)
        options = SweepOptions(max_cost_usd=max_cost_usd)
        progress = sweep(pipeline, domain.queries, paths, store, marks, options)
        assert {path_id for _, path_id in store.pairs("f")} == {"none/none/none/plain/s"}
        assert (progress.done, progress.failed, store.failures("f")) == (2, 0, [])
    assert progress.ended is Ended.ENDPOINTS
    assert progress.stopped == "Model 'h' takes no calls: its first one failed."
