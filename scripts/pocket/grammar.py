"""How the two domains speak: the sentences of their passages and the frames that people's questions fit into.

`make_domains` renders hand-named entities with it; `corpus` renders freshly invented ones for training.
The wording is shared, and so are the ranges that values are drawn from; entities and owners never are: see `corpus.RESERVED` and
`corpus.PLACES`.
"""

from __future__ import annotations

from scripts.pocket import automotive, smart_home

SMART_HOME, AUTOMOTIVE = smart_home.SPEECH, automotive.SPEECH
SPEECH = {"smart_home": SMART_HOME, "automotive": AUTOMOTIVE}

FACT = "The {name} of the {entity} is {value}."
PERSONAL = "The {name} for {owner} is {value}."
SYMPTOM = "If the {entity} {symptom}, {action}."
COMPARE = "The {name} of the {a} is {va} and the {name} of the {b} is {vb}, so it is the {winner}."
REASONED = "The {name} of the {a} is {va} and the {name} of the {b} is {vb}, which is {second}, {wanted} wanted, so it is the {winner}."
PROCEDURE = "Step {n} to {goal} the {entity} is to {action}."
NOT_SAID = "The manual does not say."
NO_PASSAGE = "I have no passage about that."

ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
NUMBERS = ("one", "two", "three", "four", "five", "six", "seven", "eight")
ADJECTIVES = {  # comparative -> what people say for it, the same as superlatives, and as an amount
    "longer": (("longer", "longer", "greater"), ("longest", "greatest"), "more"),
    "higher": (("higher", "higher", "greater", "larger", "bigger"), ("highest", "greatest", "biggest"), "more"),
    "bigger": (("bigger", "larger", "greater"), ("biggest", "largest", "greatest"), "more"),
    "shorter": (("shorter", "shorter", "smaller"), ("shortest", "smallest"), "less"),
    "lower": (("lower", "lower", "smaller"), ("lowest", "smallest"), "less"),
    "smaller": (("smaller", "smaller", "lower"), ("smallest", "lowest"), "less"),
}


def _frames(text: str) -> tuple[str, ...]:
    """Read one frame a line."""
    return tuple(line.strip() for line in text.strip().splitlines())


LOOKUP_ASKS = _frames("""
what is the {name} of {e}?
what's the {name} of {e}?
tell me the {name} of {e}
can you look up the {name} for {e}?
{e}, what {name} does it have?
what {name} does {e} have?
what is the {name} for {e}?
i need the {name} of {e}
i need to know the {name} of {e}
do you know the {name} of {e}?
could you tell me the {name} of {e}?
can you find the {name} of {e}?
find me the {name} of {e}
give me the {name} of {e}
look up the {name} of {e} for me
how much is the {name} of {e}?
what does the manual say about the {name} of {e}?
what do they give as {name} for {e}?
what {name} is listed for {e}?
what can you tell me about the {name} of {e}?
how about {e}, what is its {name}?
about {e}: what's the {name}?
for {e}, what would the {name} be?
i'm looking for the {name} of {e}
i wonder what the {name} of {e} is
i forgot the {name} of {e}
any idea what the {name} of {e} is?
which {name} does {e} come with?
which {name} should i expect from {e}?
the {name} of {e} is what again?
the {name} of {e} please
and the {name} of {e}?
is there a {name} given for {e}?
what sort of {name} does {e} have?
what kind of {name} can i expect with {e}?
what figure is printed for the {name} of {e}?
where does {e} stand on {name}?
does the manual mention the {name} of {e}?
remind me what {name} {e} has
my question is about the {name} of {e}
how is {e} on {name}?
""")
LOOKUP_TERSE = _frames("""
{name} {e}
{e} {name}
{e} {name}?
{name} of {e}
{name} for {e}
{e}: {name}
{name}, {e}
{e} - {name}?
{e} {name} how much
manual {e} {name}
{e} what {name}
spec {name} {e}
""")
COMPARE_ASKS = _frames("""
which has the {adj} {name}, {a} or {b}?
between {a} and {b}, which one has the {adj} {name}?
does {a} or {b} have the {adj} {name}?
i'm choosing between {a} and {b}, which has a {adj} {name}?
who wins on {adj} {name}, {a} or {b}?
which of the two has the {adj} {name}, {a} or {b}?
{a} or {b}, which has the {adj} {name}?
{a} or {b}: which one comes with the {adj} {name}?
is the {name} {adj} with {a} or with {b}?
is the {name} of {a} {adj} than that of {b}?
does {a} have a {adj} {name} than {b}?
compare {a} and {b}: which has the {adj} {name}?
compare the {name} of {a} and {b}, which is {adj}?
of {a} and {b}, which has the {best} {name}?
which one has the {best} {name}, {a} or {b}?
who has the {best} {name}: {a} or {b}?
where is the {name} {adj}, {a} or {b}?
which would give me a {adj} {name}, {a} or {b}?
i want the {adj} {name}, should i get {a} or {b}?
if i need a {adj} {name}, is it {a} or {b}?
{a} against {b}, where do i get the {adj} {name}?
{a} versus {b}, whose {name} is {adj}?
whose {name} is {adj}, {a} or {b}?
looking at {name}, which is {adj}, {a} or {b}?
when it comes to {name}, is {a} or {b} {adj}?
which has {more} {name}, {a} or {b}?
has {a} or {b} got {more} {name}?
i can't decide, {a} or {b}, i want the {adj} {name}
tell me which has the {adj} {name}, {a} or {b}
should i take {a} or {b} for a {adj} {name}?
""")
COMPARE_WINS = _frames("""
which one {win}, {a} or {b}?
which {win}, {a} or {b}?
{a} or {b}, which one {win}?
{a} or {b}: which {win}?
between {a} and {b}, which one {win}?
of {a} and {b}, which {win}?
what {win}, {a} or {b}?
is it {a} or {b} that {win}?
i want the one that {win}, {a} or {b}?
i need the one that {win}, should i get {a} or {b}?
comparing {a} with {b}, which one {win}?
{a} versus {b}, which {win}?
who {win}, {a} or {b}?
tell me which one {win}, {a} or {b}
which of the two {win}, {a} or {b}?
i have {a} and {b} in mind, which one {win}?
we have both {a} and {b}, which one {win}?
do you know which one {win}, {a} or {b}?
would you say {a} or {b} is the one that {win}?
i can't decide between {a} and {b}, which one {win}?
""")
COMPARE_TERSE = _frames("""
{adj} {name} {a} or {b}
{a} or {b} {adj} {name}
{a} vs {b} {adj} {name}
{a} vs {b}, {adj} {name}?
{name}: {a} or {b}, which {adj}
{adj} {name}: {a} / {b}?
{best} {name} {a} {b}
{more} {name} {a} or {b}
{a} vs {b} which {win}
{win}, {a} or {b}
""")
DIAGNOSE_HEADS = _frames("""
what do i do if {report}?
what should i do when {report}?
what can i do if {report}?
what do i do when {report}?
what helps when {report}?
what helps if {report}?
what if {report}?
how do i fix it when {report}?
how can i help myself if {report}?
help, {report}
help! {report}
i have a problem: {report}
i've got an issue, {report}
the problem is that {report}
the trouble is {report}
there is something wrong, {report}
why is it that {report}?
what does the manual say if {report}?
what does it mean when {report}?
what does the manual want me to do if {report}?
what am i supposed to do if {report}?
any advice? {report}
any idea what to do when {report}?
do you know what to do if {report}?
tell me what to do if {report}
how do i get rid of it if {report}?
how do i deal with it when {report}?
how come {report}?
so {report}
since this morning {report}
all of a sudden {report}
now {report}
i think {report}
i noticed that {report}
my wife says {report}
it looks like {report}
what is the fix if {report}?
what's the remedy when {report}?
is there a trick when {report}?
what is going on, {report}
""")
DIAGNOSE_TAILS = _frames("""
what should i do?
what now?
how do i fix that?
any idea?
what does the manual say?
what can i do?
what do i do?
what to do?
how do i stop it?
how can i fix this?
how do i solve this?
what helps?
help
please help
any tips?
what's wrong?
what is the matter?
why?
what does that mean?
is there a fix?
what's the fix?
how do i get it to stop?
how do i get it right again?
do you know what to do?
what would you do?
can you help me?
what am i supposed to do?
now what?
and now?
how do i deal with it?
what do you suggest?
what do i try first?
is it broken?
what next?
i don't know why
it is driving me mad
""")
DIAGNOSE_VERBS = _frames("""
why does {e} {bare}?
what makes {e} {bare}?
what should i do about {e} {ing}?
{e} keeps {ing}, what now?
{e} is {ing}
how do i stop {e} from {ing}?
what to do with {e} {ing}?
problem with {e}: it {symptom}
trouble with {e}, it {symptom}
about {e}: it {symptom}, what do i do?
{e} acts up, it {symptom}
something is wrong with {e}. it {symptom}
what is the fix for {e} {ing}?
any idea why {e} {symptom}?
do you know why {e} {symptom}?
when {e} {symptom}, what do i do?
if {e} {symptom}, what should i do?
if {e} {symptom}, what then?
""")
DIAGNOSE_TERSE = _frames("""
{e} {symptom}
{e} {symptom} fix
{e} {ing}
{e} {ing} help
{symptom} {e}
{ing} {e}
{e}: {symptom}?
{e} {ing} what to do
fix {e} {symptom}
{e} problem {symptom}
""")
PERSONAL_ASKS = _frames("""
what is the {name} for {o}?
what {name} did we set for {o}?
remind me of the {name} for {o}
what did i choose as {name} for {o}?
what's the {name} for {o}?
what is {o}'s {name}?
what was the {name} for {o}?
tell me the {name} for {o}
which {name} did we pick for {o}?
which {name} is set for {o}?
what {name} do we use for {o}?
what {name} do we have for {o}?
what did we agree on as {name} for {o}?
what have we got down as {name} for {o}?
i forgot the {name} for {o}
i can't remember the {name} for {o}
do you remember the {name} for {o}?
do you know the {name} for {o}?
what do my notes say about the {name} for {o}?
what did i write down as {name} for {o}?
look up the {name} for {o}
give me the {name} for {o}
for {o}, what is the {name}?
for {o}, which {name} did we say?
when it's about {o}, what {name} do we use?
how did we set the {name} for {o}?
what should the {name} be for {o}?
what is our {name} for {o}?
and the {name} for {o}?
{o} needs a {name}, what was it?
check the {name} for {o}
i need the {name} for {o}
""")
OWNER_FIRST = _frames("""
for {o}, {ask}?
{o}: {ask}?
about {o}, {ask}?
this is for {o}, {ask}?
it's for {o}. {ask}?
when it comes to {o}, {ask}?
{o} again, {ask}?
{ask} when it's for {o}?
{ask} if it is {o}?
{ask} again for {o}?
""")
PERSONAL_TERSE = _frames("""
{name} {o}
{o} {name}
{name} for {o}
{o} {name}?
{o}: {name}
our {name} {o}
{name}, {o}
notes {o} {name}
""")
PROCEDURE_ASKS = _frames("""
what is step {n} to {way}?
what's step {n} if i want to {way}?
what is the {nth} step to {way}?
i want to {way}, what is step {n}?
how do i {way}, what comes {nth}?
what do i do in step {n} to {way}?
what do i do {nth} to {way}?
what do i have to do in the {nth} step when i {way}?
when i {way}, what is the {nth} step?
when i {way}, what is step {n}?
to {way}, what is the {nth} thing to do?
to {way}, what comes {nth}?
i'd like to {way}, tell me step {n}
i'm about to {way}, what's the {nth} step?
i am trying to {way}, what does step {n} say?
which step is number {n} to {way}?
tell me step {n} to {way}
give me the {nth} step to {way}
read me step {n}, i want to {way}
what's the {nth} step for {ing}?
what is step {n} of {ing}?
what is step {n} when {ing}?
{ing}: what is step {n}?
when {ing}, what do i do {nth}?
what do you do {nth} when {ing}?
step {n} of {ing} please
i'm {ing}, what is step {n}?
for {ing}, what is the {nth} step?
help me with {ing}, what does step {n} say?
what does the manual say as step {n} to {way}?
what does the {nth} step say if i want to {way}?
number {n} on the list to {way}?
""")
PROCEDURE_FIRST = _frames("""
what comes first when i {way}?
what do i do first to {way}?
how do i start to {way}?
how do i begin to {way}?
where do i start if i want to {way}?
what is the first thing to do to {way}?
i want to {way}, what is first?
i want to {way}, how do i begin?
what do i start with when {ing}?
how do i begin with {ing}?
how does {ing} start?
before anything else, what do i do to {way}?
""")
PROCEDURE_NEXT = _frames("""
what do i do after step {m} to {way}?
i'm done with step {m} to {way}, what is next?
i have finished step {m} of {ing}, what now?
i am at step {m} of {ing}, what comes next?
step {m} to {way} is done, what's next?
what follows after step {m} when i {way}?
""")
PROCEDURE_AFTER = _frames("""
what do i do after i {before} to {way}?
what comes after i {before} when i {way}?
what is next after {before_ing} when i {way}?
what comes after {before_ing} to {way}?
i want to {way}, what do i do once i {before}?
i {before} to {way}, and then?
to {way} i have to {before}, what comes after that?
after {before_ing}, what is the next step to {way}?
when {ing}, what comes after {before_ing}?
when {ing}, i {before}, what then?
which step follows {before_ing} when {ing}?
""")
PROCEDURE_BEFORE = _frames("""
what do i do right before i {after} to {way}?
what comes just before {after_ing} when i {way}?
when {ing}, what do i do just before i {after}?
to {way}, which step is right before {after_ing}?
""")
PROCEDURE_LAST = _frames("""
what is the last step to {way}?
what do i do last when i {way}?
what comes last when {ing}?
how do i finish when i {way}?
what is the final step of {ing}?
""")
PROCEDURE_TERSE = _frames("""
{way} step {n}
step {n} {way}
{nth} step {way}
{ing} step {n}
{ing} {nth} step
{way}, {nth} step?
{way} {nth}?
step {n}: {ing}
""")
OPENERS = (*("",) * 14, "hey, ", "ok, ", "quick question, ", "please, ", "um, ", "so, ", "hi, ", "well, ", "hello, ", "sorry, ")
INDIRECT = _frames("""
do you know {ask}?
can you tell me {ask}?
could you tell me {ask}?
i'd like to know {ask}
i want to know {ask}
i wonder {ask}
i have no idea {ask}
tell me {ask}
does the manual say {ask}?
please check {ask}
any idea {ask}?
i'm not sure {ask}
find out {ask}
remind me {ask}
""")
