"""Questions as they are typed and dictated: short names, lost articles, slips of the finger, half sentences.

Only questions are touched; numbers stay what they are, and no slip turns one name of a lesson into another.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from random import Random

_WAKES = ("hey assistant, ", "ok assistant, ", "computer, ", "hello, ", "assistant: ", "hi there, ", "excuse me, ", "sorry, ")
_FILLERS = ("um, ", "uh ", "hmm ", "erm, ", "like, ", "you know, ", "well ", "so ", "ah, ", "right, ")
_LEADS = (
    "quick one: ",
    "can you tell me, ",
    "just wondering, ",
    "i was wondering, ",
    "question: ",
    "one more thing, ",
    "do me a favour, ",
    "could you check, ",
    "my brother asks: ",
    "i can't find this: ",
    "tell me, ",
    "please tell me: ",
    "i need to know, ",
    "let me ask you, ",
    "in a hurry, ",
    "sorry to bother you, ",
    "before i forget, ",
    "i'm in the shop right now, ",
    "my daughter wants to know, ",
    "got a second? ",
    "here is a question, ",
    "i can't find the booklet, ",
    "i lost the manual, ",
    "the salesman could not say, ",
    "we were just talking about it, ",
    "i'd like to be sure, ",
    "no rush, ",
    "for my list: ",
    "i have to know this, ",
    "my hands are full, ",
    "i am not at home, ",
    "a friend is asking, ",
    "say, ",
    "listen, ",
    "can somebody tell me, ",
    "i'm new to this, ",
    "it's a bit urgent, ",
    "i keep forgetting: ",
    "maybe you know, ",
    "help me out, ",
    "look, ",
)
_CONTEXTS = (
    "we just bought {e}. ",
    "i have {e} here. ",
    "i am standing in front of {e}. ",
    "it's about {e}. ",
    "this is about {e}, ",
    "i own {e}. ",
    "my neighbour gave me {e}. ",
    "so i got {e} last week. ",
    "regarding {e}, ",
    "about {e}: ",
    "{e}, ",
    "{e}: ",
    "{e} - ",
    "looking at {e}, ",
)
_TAILS = (
    " pls",
    " please",
    " thanks",
    " thx",
    ", please?",
    " asap",
    " if you know",
    " for me",
    ", cheers",
    " thank you",
    " or so",
    " right now",
    " again",
    ", i keep forgetting",
    ", my wife wants to know",
    ", it's for a friend",
    ", i lost the booklet",
    ", no idea",
    ", anyone?",
    ", roughly",
    ", exactly",
    ", just the answer",
    ", in short",
    ", do you know",
    " by the way",
    " though",
    " then",
)
_NUMBERS = {"1": "one", "2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "12": "twelve", "31": "thirty-one"}
_SMALL_WORDS = frozenset(("the", "a", "an", "of", "is", "are", "does", "do", "did", "has", "have", "i", "to", "it", "for", "in", "on")) | {
    *("my", "what's", "can", "may", "please", "will", "be", "with", "you", "me")
}
_SHORTER = (
    ("what is", "whats"),
    ("what's", "whats"),
    ("i'm", "im"),
    ("don't", "dont"),
    ("can't", "cant"),
    ("won't", "wont"),
    ("doesn't", "doesnt"),
    ("there's", "theres"),
    ("you", "u"),
    ("are", "r"),
    ("minutes", "mins"),
    ("because", "cause"),
    ("without", "w/o"),
    ("want to", "wanna"),
    ("going to", "gonna"),
    ("do not know", "dunno"),
    ("please", "pls"),
    ("number", "no."),
    ("temperature", "temp"),
)
_KEYS = {c: row[max(0, i - 1) : i] + row[i + 1 : i + 2] for row in ("qwertyuiop", "asdfghjkl", "zxcvbnm") for i, c in enumerate(row)}


def slip(rng: Random, word: str) -> str:
    """Make one slip of the finger: swap, drop, double or hit the neighbouring key."""
    i = rng.randrange(1, len(word) - 1)
    match rng.randrange(4):
        case 0:
            return word[:i] + word[i + 1] + word[i] + word[i + 2 :]
        case 1:
            return word[:i] + word[i + 1 :]
        case 2:
            return word[:i] + word[i] + word[i:]
    return word[:i] + rng.choice(_KEYS.get(word[i].lower(), word[i])) + word[i + 1 :]


def alike(a: str, b: str) -> bool:
    """Whether one or two slips could turn one word into the other."""
    return (Counter(a.lower()) & Counter(b.lower())).total() >= max(len(a), len(b)) - 2


def short_name(rng: Random, entity: str, others: Collection[str]) -> str:
    """Shorten an entity's name where what is left fits none of the others."""
    words = entity.split()
    short = " ".join(words[:-1]) if rng.random() < 0.6 else words[0]
    if any(set(short.split()) <= set(other.split()) for other in others if other != entity):
        return entity
    return short


def roughen(rng: Random, question: str, asked: Collection[str], names: Collection[str]) -> str:
    """Rewrite a question about the entities `asked` carelessly; `names` are all entities and owners one could confuse.

    `asked` stand in the question as "the <entity>". What is asked does not change.
    """
    for entity in asked:
        called = short_name(rng, entity, names) if rng.random() < 0.15 else entity
        article = rng.choice(("the ", "the ", "my ", "our ", "this ", "", "", "that ")) if len(asked) == 1 else "the "
        spoken = f"the {entity}"
        if rng.random() < 0.6 or called != entity:
            question = question.replace(spoken, f"{article}{called}")
            spoken = f"{article}{called}"
        if len(asked) == 1 and rng.random() < 0.2:
            question = _topic_first(rng, question, spoken)
    return re.sub(r"\s+", " ", _spell(rng, _hurry(rng, question, names), names)).strip()


def _hurry(rng: Random, question: str, names: Collection[str]) -> str:
    """Drop small words, shorten others and spell numbers out."""
    if rng.random() < 0.3:
        question = _without(rng, question, names)
    if rng.random() < 0.2:
        question = re.sub(r"(?<= )\d+\b(?![.:,]\d)", lambda m: _NUMBERS.get(m[0], m[0]), question)
    if rng.random() < 0.3:
        for long, short in rng.sample(_SHORTER, 8):
            question = re.sub(rf"(?<![\w'])\b{long}\b", short, question)
    return question


def _spell(rng: Random, question: str, names: Collection[str]) -> str:
    """Slip, stumble, add what people add, and forget capitals and marks."""
    if rng.random() < 0.45:
        question = _slips(rng, question, names, 1 if rng.random() < 0.7 else 2)
    if rng.random() < 0.15:
        question = _stumble(rng, question)
    if rng.random() < 0.3:
        question = rng.choice(rng.choice((_WAKES, _FILLERS, _LEADS, _LEADS))) + question
    if rng.random() < 0.2:
        question = question.rstrip("?") + rng.choice(_TAILS) + rng.choice(("", "?"))
    if rng.random() < 0.6:
        question = question.lower()
    if rng.random() < 0.5:
        question = re.sub(r"[?,!:](?!\d)", "", question)
    return question


def _topic_first(rng: Random, question: str, called: str) -> str:
    """Name the entity first and refer back to it."""
    rest = re.sub(rf"\bthe ((?:[\w-]+ ){{1,2}})of {re.escape(called)}(?!\w)", r"its \1", question, count=1)
    rest = re.sub(rf"(?<!\w){re.escape(called)}(?![\w'])", "it", rest)
    if rest == question or called.lower() in rest.lower():
        return question
    rest = re.sub(r"^(hey|hi|ok|so|um|well|please|hello|sorry|quick question),? ", "", rest, flags=re.IGNORECASE)
    return rng.choice(_CONTEXTS).format(e=called) + rest.strip().replace(" ?", "?")


def _without(rng: Random, question: str, names: Collection[str]) -> str:
    """Leave out small words, as in a telegram."""
    keep = {word for name in names for word in name.split()} - {"the"}
    words = [w for w in question.split() if w in keep or w.lower() not in _SMALL_WORDS or rng.random() < 0.35]
    return " ".join(words)


def _slips(rng: Random, question: str, names: Collection[str], n: int) -> str:
    """Misspell `n` words; a word of a name only where no other name's word is alike."""
    parts = {word for name in names for word in name.split()}
    words = question.split(" ")
    for _ in range(n):
        i = rng.randrange(len(words))
        bare = words[i].strip("?,.!:")
        if len(bare) < 4 or not bare.isalpha() or bare in _NUMBERS.values():
            continue
        if bare in parts and (rng.random() < 0.5 or any(alike(bare, other) for other in parts if other != bare)):
            continue
        words[i] = words[i].replace(bare, slip(rng, bare))
    return " ".join(words)


def _stumble(rng: Random, question: str) -> str:
    """Begin twice, as people do when they dictate."""
    words = question.split(" ")
    n = rng.randint(1, min(3, len(words)))
    again = rng.choice((" ", ", ", " uh ", " er, ", ", i mean, ", " no, "))
    return " ".join(words[:n]).rstrip(",.?:") + again + question
