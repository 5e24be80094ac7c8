"""List prices of hosted models in August 2024, declared for a recorded trace that has none.

US dollars per million tokens, read and written, as the makers listed them for on-demand use around
11 August 2024, the date of the recording. They were written down from memory of the makers' pages
and not checked against an archived copy: correct them here if you have one. They are declared, not
measured: cached, batched or negotiated prices differ. Models without a published price of their own
are left out.
"""

from __future__ import annotations

import pandas as pd

PRICE_DATE = "2024-08-11"
PRICES = {  # by the beginning of a path's id; the longest that fits counts
    "claude-2.1": (8.0, 24.0),
    "claude-instant-1.2": (0.8, 2.4),
    "claude-3-haiku": (0.25, 1.25),
    "claude-3-sonnet": (3.0, 15.0),
    "claude-3-5-sonnet": (3.0, 15.0),
    "claude-3-opus": (15.0, 75.0),
    "command-r-plus": (3.0, 15.0),
    "firefunction-v1": (0.5, 0.5),
    "firefunction-v2": (0.9, 0.9),
    "gemini-1.0-pro": (0.5, 1.5),
    "gemini-1.5-flash": (0.35, 1.05),
    "gemini-1.5-pro": (3.5, 10.5),
    "gpt-3.5-turbo-0125": (0.5, 1.5),
    "gpt-4-0125-preview": (10.0, 30.0),
    "gpt-4-1106-preview": (10.0, 30.0),
    "gpt-4-turbo-2024-04-09": (10.0, 30.0),
    "gpt-4-0613": (30.0, 60.0),
    "gpt-4o-2024-05-13": (5.0, 15.0),
    "gpt-4o-2024-08-06": (2.5, 10.0),
    "gpt-4o-mini-2024-07-18": (0.15, 0.6),
    "mistral-large-2407": (3.0, 9.0),
    "mistral-medium-2312": (2.7, 8.1),
    "mistral-small-2402": (1.0, 3.0),
    "mistral-tiny-2312": (0.25, 0.25),
    "open-mistral-nemo-2407": (0.3, 0.3),
    "open-mixtral-8x22b": (2.0, 6.0),
    "open-mixtral-8x7b": (0.7, 0.7),
}


def priced(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Return the outcomes of the paths whose model has a price, with their cost in US dollars.

    Examples
    --------
    >>> row = {"path_id": "gpt-4o-2024-05-13-FC", "tokens_in": 200, "tokens_out": 50}
    >>> priced(pd.DataFrame([row, row | {"path_id": "unknown"}]))["cost_usd"].tolist()
    [0.00175]

    """
    price = {
        path_id: PRICES[max(fitting, key=len)]
        for path_id in outcomes["path_id"].unique()
        if (fitting := [name for name in PRICES if path_id.startswith(name)])
    }
    kept = outcomes[outcomes["path_id"].isin(list(price))]
    read, written = (kept["path_id"].map(lambda path, i=i: price[path][i]) for i in (0, 1))
    cost = (read * kept["tokens_in"] + written * kept["tokens_out"]) / 1e6
    return kept.assign(cost_usd=cost.astype(float))
