"""A sweep over scripted endpoints, in this process or in one that may be killed."""

import multiprocessing
import os
import resource
import signal
import threading
from contextlib import contextmanager

# What a sweep would import late is imported once, before processes are forked.
import openai.resources.chat.completions  # noqa: F401
import sklearn.feature_extraction.text  # noqa: F401

from ecollm_lab.domains import Domain, Grading
from ecollm_lab.models import Catalog, Model, ModelPool
from ecollm_lab.models.cloud.admission import Admission
from ecollm_lab.models.cloud.client import CloudModel, Patience
from ecollm_lab.paths import PathSpace, Pipeline
from ecollm_lab.records import Passage, Query
from ecollm_lab.sweeps import Store, SweepOptions, fingerprints, sweep
from tests.conftest import LetterEncoder

HOSTED_CATALOG = """
[prices]
date = "2026-01-01"
source = "test"
edge_usd_per_hour = 0.01
[models.hosted]
placement = "cloud"
base_url = "{base_url}"
remote_name = "{remote}"
price_in_usd_per_mtok = 1.0
price_out_usd_per_mtok = 4.0
network_delay_s = 0.0
"""
FAST = Patience(wait_initial_s=0.01, wait_max_s=0.1, wait_jitter_s=0.02)


def domain(n, grading="facts"):
    passages = (Passage("p1", "Halo bulb", "manual", "The weight of the Halo bulb is 90 grams."),)
    queries = tuple(
        Query(
            f"q{i:05}",
            f"how heavy is the Halo bulb number {i}?",
            "lookup",
            ("90 grams",),
            ("90 grams",),
            ("p1",),
            "train",
        )
        for i in range(n)
    )
    return Domain("scripted", passages, queries, Grading(grading))


def cloud(name, base_url, **changes):
    fields = {
        "name": name,
        "placement": "cloud",
        "file": None,
        "sha256": None,
        "base_url": base_url,
        "remote_name": name,
        "api_key_env": None,
        "context": 2048,
        "threads": 1,
        "price_usd_per_hour": 0.0,
        "price_in_usd_per_mtok": 1.0,
        "price_out_usd_per_mtok": 4.0,
        "network_delay_s": 0.0,
        "timeout_s": 5.0,
    }
    return Model(**{**fields, **changes})


class Pool(ModelPool):
    """Scripted endpoints are tried again after milliseconds, not seconds."""

    def __init__(self, catalog, probe_s=30.0):
        super().__init__(catalog)
        self.probe_s = probe_s

    def _start(self, model):
        return CloudModel(model, patience=FAST, admission=Admission(model, probe_s=self.probe_s))


@contextmanager
def rig(store_file, models, n=20, *, probe_s=30.0, wait_s=0.0, grading="facts"):
    """Yield `go(**options)`, which sweeps n queries on one bare path per model, and the store."""
    catalog = Catalog({model.name: model for model in models}, 0.01, "2026-01-01", "test", "x")
    home = domain(n, grading)
    with Store(store_file, wait_s=wait_s) as store, Pool(catalog, probe_s) as pool:
        pipeline = Pipeline(home, catalog, LetterEncoder(), pool)
        paths = (
            PathSpace.over(list(catalog.models))
            .select([f"none/none/none/plain/{name}" for name in catalog.models])
            .paths
        )
        marks = fingerprints(home, catalog, "letters", paths)

        def go(*, stop=None, on_progress=None, **options):
            return sweep(
                pipeline,
                home.queries,
                paths,
                store,
                marks,
                SweepOptions(**options),
                stop=stop,
                on_progress=on_progress,
            )

        go.marks, go.by_path, go.pipeline = (
            {path.model: marks[path.id] for path in paths},
            marks,
            pipeline,
        )
        yield go, store


def _child(store_file, models, n, options, crash, pipe):
    """Sweep; `crash` = (step, n): the n-th time of that step of the store kills this process."""
    if crash:
        step, times = crash
        real, left = getattr(Store, step), [times]

        def wrapped(self, *args, **more):
            if (
                step != "settle" or args[3] is not None
            ):  # of settlements, only those that bring a reply
                left[0] -= 1
                if left[0] == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
            return real(self, *args, **more)

        setattr(Store, step, wrapped)
    if "file_limit" in options:
        resource.setrlimit(
            resource.RLIMIT_FSIZE, (options.pop("file_limit"), resource.RLIM_INFINITY)
        )
    stop = threading.Event()
    try:
        with rig(store_file, models, n, wait_s=options.pop("wait_s", 0.0)) as (go, _):
            progress = go(
                stop=stop, on_progress=lambda p: p.done % 50 == 1 and pipe.send(p.done), **options
            )
        pipe.send(("ended", progress.done, progress.reused, progress.failed, progress.stopped))
    except Exception as error:
        pipe.send(("error", type(error).__name__, str(error)))


class Child:
    """A sweep in a process of its own, forked from one that has imported everything already."""

    context = multiprocessing.get_context("forkserver")

    def __init__(self, store_file, models, n=20, *, crash=None, **options):
        self.context.set_forkserver_preload(["tests.support.rig"])
        self.pipe, theirs = self.context.Pipe()
        self.process = self.context.Process(
            target=_child, args=(str(store_file), models, n, options, crash, theirs), daemon=True
        )
        self.process.start()
        theirs.close()
        self.acknowledged = 0

    def kill(self):
        os.kill(self.process.pid, signal.SIGKILL)
        return self.wait()

    def wait(self):
        """Return its last words, None if it died without any."""
        last = None
        while True:
            try:
                word = self.pipe.recv()
            except EOFError:
                break
            if isinstance(word, tuple):
                last = word
            else:
                self.acknowledged = max(self.acknowledged, word)
        self.process.join()
        self.pipe.close()
        return last
