"""What many queries and paths would take, computed from measured growth: what breaks first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecollm_lab.records import LabError

Record = dict[str, Any]

# Assumed, not measured.
PEAK = 3.0  # the busiest second of a day, over its mean
LEARNT = 10_000  # queries a policy learns from, or the Emulator explores
FRAME_S = 1 / 30  # a slider that feels immediate
DAY_S = 86_400


@dataclass(frozen=True)
class Need:
    """What one part needs, and what one machine like the measured one has of it.

    Attributes
    ----------
    part, kind
        Who needs it, and what it is: cores, GB, seconds.
    needed, there
        In that unit.
    engine
        Which existing engine the part would move to.

    """

    part: str
    kind: str
    needed: float
    there: float
    engine: str

    @property
    def times(self) -> float:
        """How many times one machine it needs; above 1 it is broken there."""
        return self.needed / self.there


class Measured:
    """Records by metric and size."""

    def __init__(self, records: list[Record]) -> None:
        self._rows = {(row["metric"], row.get("size")): row for row in records}
        self.cores, self.memory_gb = records[0]["cores"], records[0]["memory_gb"]

    def sizes(self, metric: str) -> list[int]:
        """Return the sizes that a metric was measured at, rising."""
        return sorted(size for name, size in self._rows if name == metric and size is not None)

    def largest(self, metric: str) -> Record:
        """Return a metric's record at the largest size."""
        return self._rows[metric, self.sizes(metric)[-1]]

    def smallest(self, metric: str) -> Record:
        """Return a metric's record at the smallest size."""
        return self._rows[metric, self.sizes(metric)[0]]

    def seconds(self, part: str, size: float) -> float:
        """Extrapolate from the largest size with the exponent of the last step, at least 1.

        Raises
        ------
        LabError
            If the part was measured at one size alone, as with `--quick`.

        """
        row, growth = self.largest(f"{part}_s"), self._rows.get((f"{part}_exponent", None))
        if growth is None:
            raise LabError(
                f"{part} was measured at one size alone, so nothing is known of its growth. Measure"
                " without --quick, and with --largest 1e5 or more."
            )
        return float(row["value"] * (size / row["size"]) ** max(1.0, growth["last"]))

    def gigabytes(self, part: str, size: float) -> float:
        """Extrapolate the memory beyond that of Python and its libraries, in proportion."""
        row = self.largest(f"{part}_s")
        return float((row["peak_mb"] - row["base_mb"]) / 1024 * size / row["size"])


def needs(records: list[Record], queries: float, paths: float) -> list[Need]:
    """Return what so many queries a day and so many paths need, the worst first."""
    m = Measured(records)
    rate, cells = PEAK * queries / DAY_S, LEARNT * paths
    encode, select = m.largest("encode_s"), m.smallest("select_s")
    choosing = select["value"] / 100_000 * paths / 100
    file_gb = m.largest("file_mb")["value"] / 1024 / m.largest("file_mb")["size"]
    moving = m.largest("move_s")["value"] / 100 * paths / 100
    cores, memory = float(m.cores), float(m.memory_gb)
    spark = "Spark over Parquet by day"
    found = [
        Need(
            "embed the queries",
            "cores",
            rate * encode["value"] / encode["size"],
            cores,
            "Ray Serve with batches on GPUs; a feature store keeps what was embedded",
        ),
        Need(
            "choose a path for each",
            "cores",
            rate * choosing,
            cores,
            "Ray Serve, copies without state; a vector index names the few paths to score",
        ),
        Need(
            "fit the policy", "GB", m.gigabytes("fit", cells), memory, "fewer paths: fronts alone"
        ),
        Need(
            "fit the policy", "s a day", m.seconds("fit", cells), DAY_S, "Ray, a path block a task"
        ),
        Need("load a day's outcomes", "GB", m.gigabytes("load", queries), memory, spark),
        Need("load a day's outcomes", "s a day", m.seconds("load", queries), DAY_S, spark),
        Need("front of a day's outcomes", "GB", m.gigabytes("front", queries), memory, spark),
        Need("front of a day's outcomes", "s a day", m.seconds("front", queries), DAY_S, spark),
        Need("store a day's outcomes", "GB", file_gb * queries, 1000.0, "object storage"),
        Need("replay a day's outcomes", "GB", m.gigabytes("replay", queries), memory, spark),
        Need(
            "Emulator: a batch of 1,000",
            "s",
            m.seconds("emulator", paths),
            60.0,
            "a vector index over paths, and clusters of them explored in parallel on Ray",
        ),
        Need("explorer: a slider's move", "s", moving, FRAME_S, "the browser with fronts alone"),
    ]
    return sorted(found, key=lambda need: -need.times)


def projection(records: list[Record], queries: float = 1e9, paths: float = 1e5) -> str:
    """Return the needs as a table, what breaks first on top."""
    cores, memory = records[0]["cores"], records[0]["memory_gb"]
    lines = [
        (
            f"{queries:,.0f} queries a day and {paths:,.0f} paths, on machines with {cores} cores"
            f" and {memory:.0f} GB like the measured one:"
        ),
        "",
        "| part | needs | one machine has | machines | would move to |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {need.part} | {_short(need.needed)} {need.kind} | {_short(need.there)} |"
        f" {_short(need.times)} | {need.engine if need.times > 1 else 'stays'} |"
        for need in needs(records, queries, paths)
    ]
    return "\n".join(lines)


def _short(number: float) -> str:
    """Return a number with two digits that count."""
    return f"{float(f'{number:.2g}'):,.10g}"


def markdown(records: list[Record]) -> str:
    """Return the measured growth, a line a part, with its aims."""
    m = Measured(records)
    by_name = {row["metric"]: row for row in records if "size" not in row}
    sizes = m.sizes("load_s")
    lines = [
        (
            f"| part | {' | '.join(f'{size:,}' for size in sizes)} | exponent (≤ 1.1) | of the last"
            " step | peak at the largest, MB | over dense (≤ 3) |"
        ),
        f"|---|{'---|' * (len(sizes) + 4)}",
    ]
    rows = {(row["metric"], row.get("size")): row for row in records}
    for part in dict.fromkeys(row["metric"].removesuffix("_s") for row in records):
        if (f"{part}_exponent") not in by_name or part in ("points", "optuna_points", "emulator"):
            continue
        cells = [rows[f"{part}_s", size] for size in sizes if (f"{part}_s", size) in rows]
        times = [f"{one['value']:.3f}" for one in cells] + [""] * (len(sizes) - len(cells))
        growth, peak = by_name[f"{part}_exponent"], rows.get((f"{part}_peak_over_dense", sizes[-1]))
        over = f"{peak['value']:.1f}" if peak else ""
        most = max(one["peak_mb"] for one in cells)
        lines.append(
            f"| {part} | {' | '.join(times)} | {growth['value']:.2f} | {growth['last']:.2f} |"
            f" {most:,.0f} | {over} |"
        )
    return "\n".join([*lines, "", _about(records)])


def others(records: list[Record]) -> str:
    """Return the fronts of points beside Optuna's, and the Emulator's batches."""
    lines = ["| what | size | seconds | peak, MB | aim |", "|---|---|---|---|---|"]
    for row in records:
        part = row["metric"].removesuffix("_s")
        if part in ("points", "optuna_points", "emulator", "encode"):
            aim = f"≤ {row['at_most']:g}" if "at_most" in row else ""
            lines.append(
                f"| {part} | {row['size']:,} | {row['value']:.4f} | {row['peak_mb']:,.0f} | {aim} |"
            )
    return "\n".join([*lines, "", _about(records)])


def _about(records: list[Record]) -> str:
    one = records[0]
    return (
        f"Processor seconds, medians, on {one['cores']} cores and {one['memory_gb']:.0f} GB;"
        f" recorded {one['measured_at']} at revision {one['git_revision']}."
    )
