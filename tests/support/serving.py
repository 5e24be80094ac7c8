"""A Runtime over scripted models, which answer as a test says and cost nothing."""

import threading
import time
from concurrent.futures import Future

import numpy as np

from ecollm_lab.models import CallFailed, Catalog, Model, Reply
from ecollm_lab.paths import Pipeline
from ecollm_lab.records import Prompt
from ecollm_lab.serving import Adaptation, Pace, Runtime
from ecollm_lab.serving.choosing import Saving
from ecollm_lab.serving.forecasts import Forecast

STILL = Pace(exploration=0.0)


class Scripted:
    """Answers after `delay_s`, and no sooner than `wait_for` is set; counts its calls."""

    def __init__(self, name, delay_s=0.0, text="90 grams", wait_for=None):
        self.name, self.delay_s, self.text = name, delay_s, text
        self.down, self.calls, self.prompts, self.most_at_once, self._now = False, 0, [], 0, 0
        self.refuses = False
        self.wait_for, self._lock = wait_for, threading.Lock()

    def fail(self):
        if self.down:
            raise CallFailed(f"Model {self.name!r} is down.")
        if self.refuses:
            raise CallFailed(f"Model {self.name!r} does not take this.", rejected=True)

    def reply(self, prompt):
        with self._lock:
            self.calls += 1
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self.prompts.append(Prompt.of(prompt))
        try:
            self.fail()
            if self.wait_for:
                self.wait_for.wait(10)
            time.sleep(self.delay_s)
            return Reply(self.text, 100, 10, self.delay_s or 1e-3)
        finally:
            with self._lock:
                self._now -= 1


class Stops(Scripted):
    """The same on the edge, and it stops when its answer is not wanted any more."""

    def reply_unless(self, stopped, prompt):
        with self._lock:
            self.calls += 1
        if stopped.wait(self.delay_s):
            raise CallFailed("stopped", answered=True)
        return Reply(self.text, 100, 10, self.delay_s or 1e-3)


class Cloud(Scripted):
    """The same in the cloud: many at once, and a call can be broken off."""

    holds_until = 0.0

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.broken_off = 0

    def begin(self, prompt):
        future, stopped = Future(), threading.Event()

        def answer():
            with self._lock:
                self.calls += 1
                self.prompts.append(Prompt.of(prompt))
            try:
                self.fail()
            except CallFailed as failure:
                future.set_exception(failure)
                return
            if stopped.wait(self.delay_s):
                self.broken_off += 1
                future.set_exception(CallFailed("broken off"))
            else:
                future.set_result(Reply(self.text, 100, 10, self.delay_s or 1e-3))

        threading.Thread(target=answer, daemon=True).start()
        return future, stopped.set, [time.monotonic()]


class Given:
    """Forecasts that a test writes down: quality, USD and seconds of each path."""

    def __init__(self, paths, target=0.05, sd=0.1):
        self.path_ids = list(paths)
        self.allowed = np.ones(len(paths), dtype=bool)
        self.target = target
        quality, usd, seconds = np.array(list(paths.values()), dtype=float).T
        spread = np.full(len(paths), sd)
        self.forecast = Forecast(quality, np.log(usd), spread, np.log(seconds), spread)
        self.saved = Saving(self.allowed)

    def embed(self, text):
        return np.zeros(3)

    def of(self, embedding):
        return self.forecast

    def saving(self, slo):
        return self.saved


def model(name, placement, **changes):
    """One model of a catalog; cloud tokens cost 1 USD a million read and 4 written."""
    cloud = placement == "cloud"
    fields = {
        "remote_name": name,
        "price_usd_per_hour": 0.0 if cloud else 0.0159,
        "price_in_usd_per_mtok": 1.0 if cloud else 0.0,
        "price_out_usd_per_mtok": 4.0 if cloud else 0.0,
        "network_delay_s": 0.0,
        "base_url": "http://127.0.0.1:9/v1" if cloud else None,
        "file": None if cloud else "x.gguf",
    }
    return Model(name=name, placement=placement, **{**fields, **changes})


def catalog_of(*models):
    return Catalog({one.name: one for one in models}, 0.0159, "2026-01-01", "test", "x")


def runtime_of(domain, encoder, models, forecasts, *, catalog=None, pace=STILL, **options):
    """Return a Runtime over scripted models: edge ones, and `Cloud` ones as hosted endpoints."""
    catalog = catalog or catalog_of(
        *(model(one.name, "cloud" if isinstance(one, Cloud) else "edge") for one in models)
    )
    pipeline = Pipeline(domain, catalog, encoder, {one.name: one for one in models})
    names = [path_id.split("/")[-1] for path_id in forecasts.path_ids]
    adaptation = Adaptation(names, forecasts.target, pace)
    return Runtime(forecasts, pipeline, adaptation=adaptation, **options)
