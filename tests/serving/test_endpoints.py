"""Real endpoints: a call that is broken off, and one that comes back after a long outage."""

import socket
import threading
import time

import pytest

from ecollm_lab.models import CallFailed, ModelPool
from ecollm_lab.models.replies import EndpointClosed
from ecollm_lab.paths import Pipeline
from ecollm_lab.records import SLO, LabError
from ecollm_lab.serving import Reason, Runtime
from ecollm_lab.serving.endpoints import Circuit, Endpoints, Interruptible, Queue
from ecollm_lab.serving.results import Ended
from tests.serving.conftest import CLOUD, PATHS
from tests.support.endpoint import Endpoint
from tests.support.serving import Cloud, Given, Scripted, Stops, catalog_of, model


class Silent:
    """An endpoint that reads a request and never answers; notes when its client is gone."""

    def __enter__(self):
        self._server = socket.create_server(("127.0.0.1", 0))
        self.base_url = f"http://127.0.0.1:{self._server.getsockname()[1]}/v1"
        self.asked, self.gone = threading.Event(), threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection:
            if b"/models" in (read := connection.recv(65536)):  # the pool opens a connection
                connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}")
                read = connection.recv(65536)
            if not read:
                return
            self.asked.set()
            while connection.recv(65536):
                pass
            self.gone.set()

    def __exit__(self, *_):
        self._server.close()


def test_a_call_that_is_broken_off_ends_at_the_endpoint_within_a_second():
    with Silent() as silent:
        catalog = catalog_of(model("far", "cloud", base_url=silent.base_url))
        with ModelPool(catalog, persistent=True) as pool:
            assert isinstance(pool["far"], Interruptible)
            future, stop, _ = pool["far"].begin("how heavy?")
            assert silent.asked.wait(5)
            began = time.monotonic()
            stop()
            with pytest.raises(LabError):
                future.result(timeout=2)
            assert silent.gone.wait(2)
            assert time.monotonic() - began < 1.0


def test_a_persistent_pool_asks_again_after_many_failures_and_another_gives_up():
    answers = {"other": "text"}
    with Endpoint(answers) as endpoint:
        catalog = catalog_of(model("down", "cloud", base_url=endpoint.base_url))
        with ModelPool(catalog, persistent=True) as lasting, ModelPool(catalog) as usual:
            for pool in (lasting, usual):
                with pytest.raises(LabError):
                    pool["down"].reply("how heavy?")  # 404: the model is not there
            answers["down"] = "90 grams"
            with pytest.raises((EndpointClosed, CallFailed)):
                usual["down"].reply("how heavy?")
            until = time.monotonic() + 10
            while time.monotonic() < until:
                try:
                    assert lasting["down"].reply("how heavy?").text == "90 grams"
                    break
                except LabError:
                    time.sleep(0.2)
            else:
                pytest.fail("the endpoint was not asked again")


def test_a_call_that_is_late_is_expected_to_take_as_long_again():
    queue, release = Queue(), threading.Event()
    call = queue.submit(release.wait, expected_s=2.0)
    began = queue._since
    assert queue.wait_s(began + 0.5) == pytest.approx(1.5)
    assert queue.wait_s(began + 5.0) == pytest.approx(3.0)
    release.set()
    call.future.result(5)
    queue.close()
    assert queue.wait_s(began + 5.0) == 0.0


def test_a_waiting_call_that_is_withdrawn_says_nothing_about_the_one_being_answered():
    queue, release = Queue(), threading.Event()
    queue.submit(release.wait, expected_s=2.0)
    began = queue._since
    queue.submit(release.wait, expected_s=7.0).stop()
    assert queue._since == began
    assert queue.wait_s(began + 0.5) == pytest.approx(1.5)
    release.set()
    queue.close()


def test_a_model_served_from_a_file_keeps_others_waiting_after_its_asker_is_gone():
    """Its server answers to the end whatever becomes of the request."""
    big = Cloud("big", delay_s=0.5)
    catalog = catalog_of(model("big", "cloud", file="x.gguf"))
    endpoints = Endpoints(catalog, {"big": big})
    endpoints.begin("big", "how heavy?", 3.0).stop()
    assert endpoints.wait_s("big", time.monotonic()) > 1.0
    endpoints.close()
    assert big.broken_off == 0


def test_an_edge_model_that_stops_frees_the_device_for_the_next_question():
    catalog = catalog_of(model("slow", "edge"), model("quick", "edge"))
    endpoints = Endpoints(catalog, {"slow": Stops("slow", delay_s=30.0), "quick": Stops("quick")})
    given_up = endpoints.begin("slow", "how heavy?", 30.0)
    while not given_up.future.running():
        time.sleep(0.001)
    assert endpoints.wait_s("quick", time.monotonic()) > 20.0
    given_up.stop()
    assert endpoints.wait_s("quick", time.monotonic()) < 1.0
    assert endpoints.begin("quick", "how heavy?", 0.1).future.result(timeout=5).text == "90 grams"
    assert given_up.future.exception(timeout=5).answered
    endpoints.close()


def test_of_many_questions_at_once_one_finds_out_whether_an_endpoint_is_back():
    circuit = Circuit()
    assert [circuit.admit(0.0) for _ in range(3)] == [True] * 3
    circuit.failed(0.0)
    assert not circuit.admit(0.5)
    assert [circuit.admit(1.5) for _ in range(3)] == [True, False, False]
    circuit.answered()
    assert [circuit.admit(1.5) for _ in range(3)] == [True] * 3


def test_a_question_that_waits_for_its_turn_at_an_endpoint_pays_nothing_and_teaches_nothing(
    domain, encoder
):
    given, question = Given({CLOUD: PATHS[CLOUD]}), "how heavy is the Halo bulb?"
    with Endpoint({"big": "90 grams"}) as endpoint:
        far = model("big", "cloud", base_url=endpoint.base_url, requests_per_minute=1)
        with ModelPool(catalog_of(far), persistent=True) as pool:
            pipeline = Pipeline(domain, catalog_of(far), encoder, pool)
            with Runtime(given, pipeline) as runtime:
                assert runtime.answer(question).text == "90 grams"
                before = runtime.outlook(given.forecast).log_latency[0]
                refused = runtime.answer(question, SLO(max_latency_s=0.5))
                after = runtime.outlook(given.forecast).log_latency[0]
    assert (refused.reason, endpoint.requests["big"]) == (Reason.DEADLINE, 1)
    assert [(one.ended, one.cost_usd) for one in refused.attempts] == [(Ended.CUT, 0.0)]
    assert runtime.circuit(0).cuts == 0
    assert after == pytest.approx(before, rel=0.01)


def test_an_endpoint_that_asks_for_a_pause_is_expected_to_make_a_question_wait():
    busy = (429, {"error": {"message": "slow down"}}, {"Retry-After": "30"})
    with Endpoint({"far": busy}) as endpoint:
        catalog = catalog_of(model("far", "cloud", base_url=endpoint.base_url))
        with ModelPool(catalog, persistent=True) as pool:
            endpoints = Endpoints(catalog, pool)
            assert endpoints.wait_s("far", time.monotonic()) == 0.0
            with pytest.raises(CallFailed, match="slow down"):
                endpoints.begin("far", "how heavy?", 0.1).future.result(timeout=10)
            assert 25.0 < endpoints.wait_s("far", time.monotonic()) <= 30.0
            endpoints.close()


def test_a_stage_that_asks_a_model_counts_in_the_queue_as_long_as_it_lately_took():
    small = Scripted("small", delay_s=0.2)
    endpoints = Endpoints(catalog_of(model("small", "edge")), {"small": small})
    endpoints["small"].reply("what would answer it?")
    small.wait_for = threading.Event()
    asking = threading.Thread(target=endpoints["small"].reply, args=("and this?",))
    asking.start()
    while small.calls < 2:
        time.sleep(0.001)
    queue = endpoints._queues["small"]
    assert queue.wait_s(queue._since) == pytest.approx(0.2)
    small.wait_for.set()
    asking.join()
    endpoints.close()
