"""How the benchmark of serving asks servers in turns, without any server."""

from collections import Counter

from benchmarks import serve
from benchmarks.servers import CLIENTS, Address


def test_all_are_warmed_up_alike_and_who_is_first_changes(monkeypatch):
    asked = []

    async def ask(url, model, numbers, clients):
        asked.append((url, len(numbers)))
        return [(0.5, {})] * len(numbers)

    def resident_mb(pid):
        asked.append(("measured", 0))
        return 1.0

    monkeypatch.setattr(serve, "ask", ask)
    monkeypatch.setattr(serve, "resident_mb", resident_mb)
    monkeypatch.setattr(serve, "cpu_s", lambda pid: 0.0)
    turns = serve.in_turns(Address("ours", 1), {"other": Address("other", 2)}, "direct", 500)
    begun = asked.index(("measured", 0))
    warm = Counter()
    for url, n in asked[:begun]:
        warm[url] += n
    assert dict(warm) == dict.fromkeys(("ours", "other", "direct"), 4 * CLIENTS + 100)
    timed = [url for url, n in asked[begun + 1 : -1]]
    assert [set(timed[i : i + 3]) for i in range(0, 12, 3)] == [set(warm)] * 4
    assert set(timed[::3]) == set(warm)
    assert len(turns.served) == 500
    assert {name: len(taken) for name, taken in turns.seconds.items()} == dict.fromkeys(
        warm, 4 * (100 - CLIENTS)
    )
    assert turns.memory == (1.0, 1.0)
