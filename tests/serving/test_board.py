"""The sliders and the table of a Runtime in a notebook, without a browser."""

import pytest

from ecollm_lab.records import SLO, LabError
from tests.serving.conftest import CLOUD, EDGE

QUESTION = "how heavy is the Halo bulb?"


@pytest.fixture
def board(runtime):
    return runtime.board(QUESTION)


def test_it_begins_without_limits_and_each_question_gets_what_the_sliders_show(board, runtime):
    assert board.slo == SLO()
    board.ask([QUESTION])
    board.wait()
    board.cost.value = 1e-5
    board.prefer.value = "latency"
    assert board.slo == SLO(max_cost_usd=1e-5, prefer="latency")
    board.ask([QUESTION, QUESTION])
    board.wait()
    assert [one.path_id for one in runtime.results] == [CLOUD, EDGE, EDGE]
    assert [one.slo.max_cost_usd for one in runtime.results] == [None, 1e-5, 1e-5]


def test_the_sliders_reach_from_below_the_fastest_path_to_above_the_slowest(board):
    assert 10**board.latency.min < 0.1
    assert 10**board.latency.max > 0.3
    board.latency.value = 0.05
    board.ask([QUESTION])
    board.wait()
    assert "no path keeps the SLO" in board.table.value


def test_the_table_shows_the_last_ten_answers_what_was_expected_and_what_bound(board):
    board.cost.value = 1e-5
    board.ask([QUESTION] * 12)
    board.wait()
    assert board.table.value.count(EDGE) == 10
    assert "max_cost_usd" in board.table.value
    assert "Halo" not in board.table.value


def test_dragging_while_questions_are_answered_changes_the_next_answer(board, runtime, big):
    asked = board.runtime.answer

    def answer(question, slo):
        result = asked(question, slo)
        board.cost.value = 1e-5  # as if dragged while the answer came
        return result

    runtime.answer = answer
    board.ask([QUESTION, QUESTION])
    board.wait()
    assert [one.path_id for one in runtime.results] == [CLOUD, EDGE]


def test_a_fault_is_raised_where_somebody_waits_and_asking_can_be_stopped(board, runtime):
    board.ask([""])
    with pytest.raises(LabError, match="not empty"):
        board.wait()
    board.ask([QUESTION] * 1000, pause_s=60.0)
    board.stop()
    assert len(runtime.results) <= 1


def test_where_no_widgets_run_it_is_a_sentence_and_the_table(board):
    bundle = board._repr_mimebundle_()
    data = bundle[0] if isinstance(bundle, tuple) else bundle
    assert "run the cell to drag them" in data["text/html"]
    assert board.table.value in data["text/html"]
