import asyncio

import pytest

from ecollm_lab.models.cloud.admission import Admission, Persistent
from ecollm_lab.models.replies import EndpointClosed
from tests.support.rig import cloud


class Clock:
    """Time that passes when told to."""

    def __init__(self):
        self.now = 1000.0

    def __call__(self):
        return self.now


def admission(clock, **limits):
    return Admission(cloud("m", "http://127.0.0.1:9/v1", **limits), clock=clock)


async def enter(door, n, tokens=10):
    """Ask for n turns; return tickets of those let in and tasks of those that wait."""
    tasks = [asyncio.ensure_future(door.enter(tokens)) for _ in range(n)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return [task.result() for task in tasks if task.done()], [
        task for task in tasks if not task.done()
    ]


def persistent(clock):
    door = Persistent(cloud("m", "http://127.0.0.1:9/v1"))
    door._clock = clock
    return door


def run(test):
    asyncio.run(test(Clock()))


def test_as_many_as_declared_and_never_more():
    async def check(clock):
        door = admission(clock, max_in_flight=3)
        inside, waiting = await enter(door, 5)
        assert (len(inside), len(waiting)) == (3, 2)
        for _ in range(30):
            for ticket in inside:
                door.leave(ticket, "ok")
            await asyncio.sleep(0)
            inside, more = (
                [task.result() for task in waiting if task.done()],
                [task for task in waiting if not task.done()],
            )
            fresh, waiting = await enter(door, 3)
            inside, waiting = inside + fresh, waiting + more
            assert door.in_flight <= 3
        for task in waiting:
            task.cancel()

    run(check)


def test_the_limit_shrinks_once_a_burst_and_grows_with_clean_rounds_only():
    async def check(clock):
        door = admission(clock)
        inside, _ = await enter(door, 20)
        for ticket in inside:
            door.leave(ticket, "busy")
        assert door.limit == pytest.approx(16.0)
        clock.now += 0.2  # the pause after a first burst
        inside, _ = await enter(door, 16)
        for ticket in inside:
            door.leave(ticket, "ok")
        assert door.limit == pytest.approx(16.8)
        inside, _ = await enter(door, 16)
        for i, ticket in enumerate(inside):
            door.leave(ticket, "down" if i == 8 else "ok")
        assert door.limit == pytest.approx(16.8)  # a failure starts the round anew

    run(check)


def test_five_straight_failures_open_the_circuit_and_probes_come_one_at_a_time():
    async def check(clock):
        door = admission(clock)
        inside, _ = await enter(door, 20)
        for ticket in inside:
            door.leave(ticket, "down")
        _, waiting = await enter(door, 10)
        assert len(waiting) == 10
        for pause in (2.0, 30.0, 30.0, 30.0):
            clock.now += pause - 0.1
            door.pump()
            await asyncio.sleep(0)
            assert not [task for task in waiting if task.done()]
            clock.now += 0.2
            door.pump()
            await asyncio.sleep(0)
            (probe,) = [task for task in waiting if task.done()]
            waiting.remove(probe)
            door.leave(probe.result(), "down")
            await asyncio.sleep(0)
        for task in waiting:
            with pytest.raises(EndpointClosed, match="24 times in a row"):
                await task

    run(check)


def test_failures_of_calls_sent_before_the_circuit_opened_are_no_probes():
    async def check(clock):
        door = admission(clock)
        inside, _ = await enter(door, 10)
        for ticket in inside[:5]:
            door.leave(ticket, "down")
        _, waiting = await enter(door, 3)
        clock.now += 2.1
        door.pump()
        await asyncio.sleep(0)
        (probe,) = [task for task in waiting if task.done()]
        for ticket in inside[5:]:  # they time out while the probe is on its way
            door.leave(ticket, "down")
        await asyncio.sleep(0)
        assert (door.closed, door.in_flight) == ("", 1)
        door.leave(probe.result(), "ok")
        await asyncio.sleep(0)
        assert all(task.done() for task in waiting)

    run(check)


def test_one_good_probe_closes_the_circuit():
    async def check(clock):
        door = admission(clock)
        inside, _ = await enter(door, 20)
        for ticket in inside:
            door.leave(ticket, "down")
        _, waiting = await enter(door, 10)
        clock.now += 2.1
        door.pump()
        await asyncio.sleep(0)
        door.leave(next(task for task in waiting if task.done()).result(), "ok")
        await asyncio.sleep(0)
        assert all(task.done() for task in waiting)

    run(check)


@pytest.mark.parametrize(
    ("limits", "allowed"), [({"requests_per_minute": 4}, 4), ({"tokens_per_minute": 35}, 3)]
)
def test_no_minute_holds_more_than_is_declared(limits, allowed):
    async def check(clock):
        door = admission(clock, **limits)
        sent = []
        waiting = [asyncio.ensure_future(door.enter(10)) for _ in range(12)]
        while waiting:
            await asyncio.sleep(0)
            door.pump()
            for task in [task for task in waiting if task.done()]:
                waiting.remove(task)
                sent.append(clock.now)
                door.leave(task.result(), "ok")
            clock.now += 5.0
        assert max(sum(t <= s < t + 60.0 for s in sent) for t in sent) == allowed

    run(check)


def test_a_pause_holds_everybody_and_a_long_one_turns_them_away():
    async def check(clock):
        door = admission(clock)
        inside, _ = await enter(door, 1)
        door.leave(inside[0], "busy", pause_s=10.0)
        _, waiting = await enter(door, 3)
        clock.now += 9.9
        door.pump()
        await asyncio.sleep(0)
        assert not [task for task in waiting if task.done()]
        clock.now += 0.2
        door.pump()
        await asyncio.sleep(0)
        assert all(task.done() for task in waiting)
        door.leave(waiting[0].result(), "busy", pause_s=3600.0)
        with pytest.raises(EndpointClosed, match="3600 s"):
            await door.enter(10)
        clock.now += 3601.0
        await door.enter(10)

    run(check)


def test_who_gives_up_waiting_takes_no_place():
    async def check(clock):
        door = admission(clock, max_in_flight=1)
        inside, waiting = await enter(door, 3)
        waiting[0].cancel()
        door.leave(inside[0], "ok")
        await asyncio.sleep(0)
        assert (await waiting[1], door.in_flight)[1] == 1

    run(check)


def test_however_many_wait_for_a_minute_to_pass_one_timer_waits_for_them():
    async def check(clock):
        door = admission(clock, requests_per_minute=1)
        _, waiting = await enter(door, 30)
        assert len(waiting) == 29
        door.pump()
        timers = [one for one in asyncio.get_running_loop()._scheduled if not one.cancelled()]
        assert len(timers) == 1
        for task in waiting:
            task.cancel()

    run(check)


@pytest.mark.parametrize(("answered", "most"), [(False, 5), (True, 20)])
def test_an_endpoint_that_has_answered_bears_a_longer_row_of_refused_prompts(answered, most):
    async def check(clock):
        door = admission(clock)
        for how in ["ok"] * answered + ["refused"] * most:
            assert not door.closed
            ((ticket,), _) = await enter(door, 1)
            door.leave(ticket, how)
        assert f"refused {most} calls in a row" in door.closed

    run(check)


@pytest.mark.parametrize("asked_s", [0.0, 60.0])
def test_bursts_of_429_pause_everybody_twice_as_long_each_time_and_then_close(asked_s):
    async def check(clock):
        door, pauses = admission(clock, max_in_flight=1), []
        waiting = [asyncio.ensure_future(door.enter(10)) for _ in range(21)]
        while not door.closed:
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            (turn,) = [task for task in waiting if task.done()]
            waiting.remove(turn)
            door.leave(turn.result(), "busy", pause_s=asked_s, why="slow down")
            if not door.closed:
                pauses.append(door.paused_until - clock.now)
            clock.now += 61.0
            door.pump()
        await asyncio.sleep(0)
        for task in waiting:
            with pytest.raises(EndpointClosed, match=r"busy 20 times in a row.*slow down"):
                await task
        own = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, *[60.0] * 10]
        assert pauses == ([asked_s] * 19 if asked_s else own)

    run(check)


def test_an_answer_ends_the_row_of_429_and_a_burst_counts_once():
    async def check(clock):
        door = admission(clock)
        for _ in range(3):
            inside, _ = await enter(door, int(door.limit))
            for ticket in inside[1:]:
                door.leave(ticket, "busy")
            assert door.holds_until - clock.now == pytest.approx(0.125)
            door.leave(inside[0], "ok")
            clock.now += 0.2

    run(check)


@pytest.mark.parametrize(
    ("asked_s", "closed_s"), [(600.0, 600.0), (1e9, 3600.0), (float("inf"), 5.0)]
)
def test_a_long_retry_after_keeps_a_server_away_for_its_time_at_most_an_hour(asked_s, closed_s):
    async def check(clock):
        door = persistent(clock)
        ((ticket,), _) = await enter(door, 1)
        door.leave(ticket, "busy", pause_s=asked_s)
        with pytest.raises(EndpointClosed, match="asked for a pause"):
            await door.enter(10)
        assert door.paused_until - clock.now == closed_s
        assert door.holds_until == 0.0  # nobody waits: all are turned away

    run(check)


def test_a_thousand_bursts_of_429_still_are_only_a_pause():
    async def check(clock):
        door = persistent(clock)
        for _ in range(1100):
            clock.now += 61.0
            ((ticket,), _) = await enter(door, 1)
            door.leave(ticket, "busy")
        assert door.paused_until - clock.now == 60.0

    run(check)
