"""List prices of hosted models in August 2024, declared for a recorded trace that has none.

US dollars per million tokens, read and written, as the makers listed them for on-demand use around
11 August 2024, the date of the recording. They are declared, not measured: cached, batched or
negotiated prices differ. Models without a published price of their own are left out.

They were written down from memory. On 2026-11-29 those with a letter were found to agree with a
public copy or quotation of the makers' lists; the makers' own pages of that August were not at
hand. Those without a letter are from memory alone: correct them here if you have a source.

a: litellm's `model_prices_and_context_window.json` of May to July 2024 (github.com/Merlinvt/litellm
   at 2ad977a2).
b: github.com/langchain-ai/langchain, commit 3894b4d9 of 12 February 2024, after openai.com/pricing.
c: www.chatgptpricing.com/api, March 2025. It names models without their dates; "GPT-4o" is taken
   for that of 6 August 2024.
d: gist.github.com/nashid/2d4d7cc58ff73fd651fa7f3ed0c0761d, 16 February 2024.
e: docs.anthropic.com/en/docs/about-claude/pricing, 2025.
f: github.com/JerryWestrick/Knowledge_Engineer, `knowledge_engineer/AI_API_Costs.py`, undated, with
   models up to July 2024.
g: getlago.com/docs/templates/per-token/mistral, undated.
h: github.com/trustgraph-ai/trustgraph, `trustgraph/metering/pricelist.py`, undated, with models up
   to July 2024.
i: bigbullcloud.com/blog/google-gemini-api-cost-structure, undated. It has gemini-1.5-flash at 0.075
   and 0.3: by memory, its price after a cut on 12 August 2024.
"""

from __future__ import annotations

import pandas as pd

PRICE_DATE = "2024-08-11"
PRICES = {  # by the beginning of a path's id; the longest that fits counts; behind it: confirmed by
    "claude-2.1": (8.0, 24.0),  # d, f
    "claude-instant-1.2": (0.8, 2.4),  # d, f
    "claude-3-haiku": (0.25, 1.25),  # e
    "claude-3-sonnet": (3.0, 15.0),  # f
    "claude-3-5-sonnet": (3.0, 15.0),  # e
    "claude-3-opus": (15.0, 75.0),  # e
    "command-r-plus": (3.0, 15.0),  # h
    "firefunction-v1": (0.5, 0.5),
    "firefunction-v2": (0.9, 0.9),
    "gemini-1.0-pro": (0.5, 1.5),
    "gemini-1.5-flash": (0.35, 1.05),
    "gemini-1.5-pro": (3.5, 10.5),  # i
    "gpt-3.5-turbo-0125": (0.5, 1.5),  # a, c
    "gpt-4-0125-preview": (10.0, 30.0),  # a, b
    "gpt-4-1106-preview": (10.0, 30.0),  # a, b
    "gpt-4-turbo-2024-04-09": (10.0, 30.0),  # a
    "gpt-4-0613": (30.0, 60.0),  # a
    "gpt-4o-2024-05-13": (5.0, 15.0),  # a
    "gpt-4o-2024-08-06": (2.5, 10.0),  # c
    "gpt-4o-mini-2024-07-18": (0.15, 0.6),  # c, f
    "mistral-large-2407": (3.0, 9.0),  # f
    "mistral-medium-2312": (2.7, 8.1),  # g
    "mistral-small-2402": (1.0, 3.0),  # g
    "mistral-tiny-2312": (0.25, 0.25),
    "open-mistral-nemo-2407": (0.3, 0.3),  # f
    "open-mixtral-8x22b": (2.0, 6.0),  # f, g
    "open-mixtral-8x7b": (0.7, 0.7),  # f, g
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
