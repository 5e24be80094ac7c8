"""The models of a catalog, opened when first asked for and closed together at the end."""

from __future__ import annotations

from contextlib import AbstractContextManager, ExitStack
from threading import Lock

from ecollm_lab.models.catalog import Catalog, Model
from ecollm_lab.models.replies import WARM_UP, CallFailed, ChatModel, EndpointClosed
from ecollm_lab.records import LabError


class ModelPool:
    """Opens the models of a catalog when they are first asked for, and closes them all at the end.

    Use as a context manager: leaving it frees the edge models and stops the loopback servers it
    started. With `isolate`, each edge model runs in a process of its own, so that a crash in native
    code costs one call and not the sweep. A `persistent` pool, for a server, asks an endpoint again
    however long it was down. A `patient` one tries a call to an endpoint again as often as a sweep
    does. With `fetch`, a model that is not on this machine is fetched when it is first asked for,
    whatever place the catalog was read at gives it.
    """

    def __init__(
        self,
        catalog: Catalog,
        *,
        isolate: bool = False,
        persistent: bool = False,
        patient: bool = False,
        fetch: bool = False,
    ) -> None:
        self.catalog, self.isolate, self.persistent = catalog, isolate, persistent
        self.patient, self.fetch = patient, fetch
        self._open: dict[str, ChatModel] = {}
        self._broken: dict[str, LabError] = {}
        self._exits = ExitStack()
        self._lock = Lock()

    def __getitem__(self, name: str) -> ChatModel:
        with self._lock:
            if name in self._broken:
                raise self._broken[name]
            if name not in self._open:
                try:
                    self._open[name] = self._opened(self.catalog[name])
                except LabError as error:
                    if not self.persistent:  # it is not opened again for every pair
                        self._broken[name] = error
                    raise
            return self._open[name]

    def _opened(self, model: Model) -> ChatModel:
        """Open a model and, where that costs nothing, let it answer once.

        The first call allocates, which no outcome should carry. A model that cannot answer it is
        closed, and takes no more calls.
        """
        with ExitStack() as exits:
            try:
                started = exits.enter_context(self._start(model))
                if model.base_url is None:
                    started.reply(WARM_UP)
            except CallFailed as error:
                if not error.answered:
                    raise EndpointClosed(
                        f"Model {model.name!r} takes no calls: its first one failed. {error}"
                    ) from error
            self._exits.push(exits.pop_all())
        return started

    def _start(self, model: Model) -> AbstractContextManager[ChatModel]:
        if self.fetch:
            from ecollm_lab.models.fetching import fetch_here

            model = fetch_here(model)
        if model.placement == "cloud":
            from ecollm_lab.models.cloud.admission import Persistent
            from ecollm_lab.models.cloud.client import CloudModel

            admission = Persistent(model, probe_s=1.0) if self.persistent else None
            return CloudModel(model, admission=admission, patient=self.patient)
        if self.isolate:
            from ecollm_lab.models.edge.isolated import IsolatedModel

            return IsolatedModel(model)
        from ecollm_lab.models.edge.llama import EdgeModel

        return EdgeModel(model)

    def check(self, names: list[str]) -> None:
        """Verify that every named model could be opened: known, priced, its file whole."""
        for name in names:
            model = self.catalog[name]
            if model.file is not None:
                from ecollm_lab.models.edge.gguf import check_file

                check_file(model)

    def __enter__(self) -> ModelPool:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.clear()
        self._exits.close()
