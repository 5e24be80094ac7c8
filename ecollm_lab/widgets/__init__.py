"""The SLO explorer as a widget over `ecollm_lab.explorer`. The only room that imports ipywidgets.

Names that stay. Ordinary widgets: `explorer.latency`, `.cost` (USD per 1,000 queries), `.min_quality`, `.prefer`, `.statistic`, `.split`,
`.kind`, `.cluster`, `.path`. To read: `.slo`, `.chosen`, `.frame`, `.figure`, `.state`, `.selection`, `.code`. To do: `.select(path_id)`,
`.pin()`, `.undo()`, `.redo()`, `.reset()`, `.apply(slo)`, `.settle()`, `.to_html(file)`, `.to_toml(file)`, `.to_csv(file)`.
"""

from ecollm_lab.widgets.explorer import Explorer, explore

__all__ = ["Explorer", "explore"]
