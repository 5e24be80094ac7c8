"""How the two domains speak: facts, symptoms, settings, general knowledge, and the ways people ask.

`make_domains` renders hand-named entities with it; `corpus` renders freshly invented ones for training.
The wording is shared, the entities and values never are: see `corpus.RESERVED`.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Attribute:
    """A measurable property: its name, unit, value range and the ways people ask for it ({e} = the entity)."""

    name: str
    unit: str
    low: float
    high: float
    step: float
    more: str  # comparative for the larger value
    less: str
    asks: tuple[str, ...]

    def draw(self, rng: Random) -> float:
        """Draw one value on the attribute's grid."""
        steps = round((self.high - self.low) / self.step)
        return round(self.low + self.step * rng.randint(0, steps), 2)

    def show(self, value: float) -> str:
        """Write a value with its unit, as a manual prints it."""
        return f"{value:g} {self.unit}"


@dataclass(frozen=True)
class Setting:
    """A personal setting: its name, how a value is drawn, and the ways its owner asks for it ({o} = whose)."""

    name: str
    values: str  # "clock", "percent", "degrees", "code", "number" or words separated by "/"
    asks: tuple[str, ...]

    def draw(self, rng: Random) -> str:
        """Draw one value."""
        match self.values:
            case "clock":
                return f"{rng.randint(5, 23)}:{rng.choice(['00', '15', '30', '45'])}"
            case "percent":
                return f"{5 * rng.randint(1, 20)} percent"
            case "degrees":
                return f"{rng.randint(15, 25)} degrees"
            case "code":
                return str(rng.randint(1000, 9999))
            case "number":
                return f"number {rng.randint(1, 30)}"
        return rng.choice(self.values.split("/"))


@dataclass(frozen=True)
class Procedure:
    """An ordered procedure: its goal as a verb phrase ("to {goal} the {entity}") and other ways to say it ({e} = the entity)."""

    goal: str
    ways: tuple[str, ...]


@dataclass(frozen=True)
class Speech:
    """Everything a domain can talk about."""

    attributes: tuple[Attribute, ...]
    symptoms: dict[str, tuple[str, ...]]  # as the manual says it -> as people report it ({e} = the entity)
    actions: tuple[str, ...]
    settings: tuple[Setting, ...]
    owners: tuple[str, ...]
    types: tuple[str, ...]
    general: tuple[tuple[str, str, tuple[str, ...]], ...]  # answer sentence, its fact, questions; the last is kept for the domain
    procedures: tuple[Procedure, ...]
    steps: tuple[str, ...]  # the actions that procedures are made of, drawn at random


def _attributes(rows: str) -> tuple[Attribute, ...]:
    out = []
    for row in rows.strip().splitlines():
        name, unit, span, words, *asks = [cell.strip() for cell in row.split("|")]
        low, high, step = map(float, span.split())
        more, less = words.split("/")
        out.append(Attribute(name, unit, low, high, step, more, less, tuple(asks)))
    return tuple(out)


def _settings(rows: str) -> tuple[Setting, ...]:
    cells = ([cell.strip() for cell in row.split("|")] for row in rows.strip().splitlines())
    return tuple(Setting(name, values, tuple(asks)) for name, values, *asks in cells)


def _symptoms(rows: str) -> dict[str, tuple[str, ...]]:
    cells = ([cell.strip() for cell in row.split("|")] for row in rows.strip().splitlines())
    return {name: tuple(reports) for name, *reports in cells}


def _general(rows: str) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    cells = ([cell.strip() for cell in row.split("|")] for row in rows.strip().splitlines())
    return tuple((answer, fact, tuple(questions)) for answer, fact, *questions in cells)


def _procedures(rows: str) -> tuple[Procedure, ...]:
    cells = ([cell.strip() for cell in row.split("|")] for row in rows.strip().splitlines())
    return tuple(Procedure(goal, tuple(ways)) for goal, *ways in cells)


FACT = "The {name} of the {entity} is {value}."
PERSONAL = "The {name} for {owner} is {value}."
SYMPTOM = "If the {entity} {symptom}, {action}."
COMPARE = "The {name} of the {a} is {va} and the {name} of the {b} is {vb}, so it is the {winner}."
PROCEDURE = "Step {n} to {goal} the {entity} is to {action}."
NOT_SAID = "The manual does not say."

LOOKUP_ASKS = (
    "what is the {name} of {e}?",
    "what's the {name} of {e}?",
    "tell me the {name} of {e}",
    "can you look up the {name} for {e}?",
    "{e}, what {name} does it have?",
)
COMPARE_ASKS = (
    "which has the {adj} {name}, {a} or {b}?",
    "between {a} and {b}, which one has the {adj} {name}?",
    "does {a} or {b} have the {adj} {name}?",
    "i'm choosing between {a} and {b}, which has a {adj} {name}?",
    "who wins on {adj} {name}, {a} or {b}?",
)
DIAGNOSE_TAILS = (
    "what should i do?",
    "what now?",
    "how do i fix that?",
    "any idea?",
    "what does the manual say?",
)
PERSONAL_ASKS = (
    "what is the {name} for {o}?",
    "what {name} did we set for {o}?",
    "remind me of the {name} for {o}",
    "what did i choose as {name} for {o}?",
)
PROCEDURE_ASKS = (  # {n} = a number, {nth} = an ordinal, {way} = a verb phrase
    "what is step {n} to {way}?",
    "what is the {nth} step to {way}?",
    "i want to {way}, what is step {n}?",
    "how do i {way}, what comes {nth}?",
)
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")
OPENERS = ("", "", "", "", "hey, ", "ok, ", "quick question, ", "please, ", "um, ")

SMART_HOME = Speech(
    attributes=_attributes("""
battery life     | months   | 3 36 1    | longer/shorter | how long does the battery of {e} last? | how many months does {e} run on one battery? | when will i have to change the battery of {e}?
wireless range   | metres   | 5 95 5    | longer/shorter | how far away can {e} be from the hub? | how far does the signal of {e} reach?
reset time       | seconds  | 2 30 1    | longer/shorter | how long do i hold the button to reset {e}? | how many seconds for a reset of {e}?
warranty         | years    | 2 10 1    | longer/shorter | for how many years is {e} covered? | how long is {e} under guarantee?
power draw       | watts    | 2 98 1    | higher/lower   | how much electricity does {e} use? | how many watts does {e} take?
charging time    | hours    | 2 12 0.5  | longer/shorter | how long until {e} is fully charged? | how many hours does {e} need on the charger?
noise level      | decibels | 15 75 1   | higher/lower   | how loud is {e}? | how many decibels does {e} make?
weight           | grams    | 50 950 10 | higher/lower   | how heavy is {e}? | how many grams does {e} weigh?
pairing time     | minutes  | 2 15 1    | longer/shorter | how long does it take to pair {e}? | how many minutes until {e} is connected to the app?
memory           | gigabytes | 2 128 2  | bigger/smaller | how many gigabytes can {e} store? | how much can {e} record?
"""),
    symptoms=_symptoms("""
blinks red               | {e} keeps blinking red | there is a red light blinking on {e}
beeps twice              | {e} beeped twice | i hear two beeps from {e}
shows error 4            | {e} says error 4 | error 4 came up on {e}
shows error 7            | {e} says error 7 | error 7 came up on {e}
does not pair            | i can't pair {e} | {e} won't connect to the app
turns off by itself      | {e} switches itself off all the time | {e} keeps turning off on its own
hums                     | {e} is humming | there's a humming noise from {e}
feels hot                | {e} is really hot | {e} got very warm
loses its connection     | {e} keeps going offline | {e} drops the connection
shows the wrong time     | the clock on {e} is wrong | {e} tells the wrong time
stays dark               | {e} won't light up | nothing lights up on {e}
reacts slowly            | {e} is so slow | {e} takes ages to react
"""),
    actions=(
        "replace the battery",
        "hold the reset button",
        "clean the lens",
        "update the firmware",
        "move it closer to the hub",
        "tighten the mount",
        "unplug it for one minute",
        "call the support line",
        "check the fuse",
        "lower the brightness",
        "remove the cover",
        "pair it again",
        "restart the router",
        "wipe the sensor",
    ),
    settings=_settings("""
bedtime brightness | percent | how bright should it be at bedtime for {o}? | how dim are the lights at night for {o}?
heating start      | clock   | when does the heating come on for {o}? | what time does it get warm for {o}?
night temperature  | degrees | how warm is it at night for {o}? | how cold does it get at night for {o}?
wake-up alarm      | clock   | when does the alarm go off for {o}? | what time is the wake-up for {o}?
door code          | code    | which code opens the door for {o}? | what do i type at the door for {o}?
speaker volume     | percent | how loud is the music for {o}? | how loud did we set the speaker for {o}?
light colour       | warm white/amber/sky blue/rose/pale green/violet | what colour are the lights for {o}? | which colour did we pick for {o}?
cleaning day       | Monday/Tuesday/Wednesday/Thursday/Friday/Saturday | on which day does the vacuum run for {o}? | when is it cleaned for {o}?
"""),
    owners=(
        "the kitchen",
        "the nursery",
        "the study",
        "the hallway",
        "the guest room",
        "the garage",
        "the attic",
        "the bathroom",
        "the cellar",
        "the porch",
        "Mia",
        "Tom",
        "Grandma",
        "Jonas",
        "Lena",
        "Omar",
        "the twins",
        "the den",
    ),
    types=(
        "bulb",
        "plug",
        "lamp",
        "thermostat",
        "camera",
        "lock",
        "sensor",
        "blind",
        "speaker",
        "hub",
        "vacuum",
        "doorbell",
        "fan",
        "heater",
        "alarm",
        "remote",
        "display",
        "kettle",
    ),
    general=_general("""
A radiator valve sets how warm one room gets. | how warm one room gets | what does a radiator valve do? | what is a radiator valve for? | why would i want a radiator valve?
A kilowatt hour is one thousand watts for one hour. | one thousand watts for one hour | what is a kilowatt hour? | how big is a kilowatt hour? | explain a kilowatt hour to me
LED lamps need less power than halogen lamps. | LED lamps need less | which lamps need less power, LED or halogen? | do LED or halogen lamps save power? | is LED or halogen better for my power bill?
A bedroom is comfortable at 18 degrees. | 18 degrees | how warm should a bedroom be? | what is a good bedroom temperature? | which temperature is good for sleeping?
Wi-Fi works on 2.4 and 5 gigahertz. | 2.4 and 5 gigahertz | on which bands does Wi-Fi work? | what frequencies does Wi-Fi use? | what gigahertz is Wi-Fi on?
A smoke alarm should be tested every month. | every month | how often should i test a smoke alarm? | when do smoke alarms need a test? | how regularly do i check the smoke alarm?
A smoke alarm lasts ten years. | ten years | how long does a smoke alarm last? | when is a smoke alarm too old? | how old may a smoke alarm get?
A hub connects devices to the home network. | connects devices | what does a hub do? | what is a hub for? | why do i need a hub at all?
Motion sensors see warmth that moves. | warmth that moves | what do motion sensors see? | how does a motion sensor notice me? | what exactly does a motion sensor detect?
A scene sets many devices at once. | many devices at once | what is a scene? | what does a scene do? | what happens when i run a scene?
A firmware update mends faults in a device. | mends faults | why update the firmware? | what does a firmware update do? | is there a point in firmware updates?
A mesh network passes messages from device to device. | from device to device | what is a mesh network? | how does a mesh network work? | how do messages travel in a mesh?
Geofencing acts when your phone leaves or comes home. | leaves or comes home | what is geofencing? | when does geofencing act? | how does geofencing know what to do?
An air filter should be changed every three months. | every three months | how often should i change an air filter? | when is a new air filter due? | how long can an air filter stay in?
A router should stand in the middle of the home. | in the middle of the home | where should a router stand? | what is the best place for a router? | where do i put the router?
Two-step sign-in asks for a second proof. | a second proof | what is two-step sign-in? | what does two-step sign-in ask for? | what else do i need with two-step sign-in?
Humidity at home should be about 50 percent. | 50 percent | how humid should a home be? | what humidity is healthy at home? | what is the right humidity indoors?
A dimmer changes how bright a lamp is. | how bright a lamp is | what does a dimmer do? | what is a dimmer for? | what can i change with a dimmer?
"""),
    procedures=_procedures("""
descale | get the limescale out of {e}
clean | give {e} a clean
mount | put {e} up
pair | connect {e} to the app
"""),
    steps=(
        "switch it off",
        "pull the plug",
        "open the lid",
        "press the round button",
        "wait for the green light",
        "rinse the filter",
        "close the cover",
        "start the app",
    ),
)

AUTOMOTIVE = Speech(
    attributes=_attributes("""
tyre pressure      | bar         | 1.8 3.6 0.1    | higher/lower   | how much air goes into the tyres of {e}? | how many bar do the tyres of {e} need?
tank size          | litres      | 30 95 1        | bigger/smaller | how much fuel fits into {e}? | how many litres can i fill into {e}?
oil interval       | kilometres  | 8000 30000 500 | longer/shorter | after how many kilometres does {e} need new oil? | how far can {e} go between oil changes?
towing limit       | kilograms   | 400 3500 50    | higher/lower   | how heavy a trailer can {e} pull? | how much can i tow with {e}?
boot space         | litres      | 180 880 10     | bigger/smaller | how much luggage fits into {e}? | how big is the trunk of {e}?
charge time        | minutes     | 18 95 1        | longer/shorter | how long does {e} need at a fast charger? | how many minutes until {e} is charged?
wheel torque       | newton metres | 80 180 5     | higher/lower   | how tight do the wheel bolts of {e} have to be? | how firmly do i tighten the wheels of {e}?
roof load          | kilograms   | 40 120 5       | higher/lower   | how much weight can the roof of {e} carry? | what may i put on the roof of {e}?
driving range      | kilometres  | 210 950 10     | longer/shorter | how far does {e} get on one charge or tank? | how many kilometres can {e} drive in one go?
wading depth       | centimetres | 20 90 5        | bigger/smaller | how deep may the water be for {e}? | how deep can i drive {e} through water?
"""),
    symptoms=_symptoms("""
shows a yellow light      | {e} has a yellow light on | there's a yellow light in {e}
shows a red triangle      | a red triangle came on in {e} | {e} has the red triangle lit
pulls to the left         | {e} drifts to the left | {e} doesn't go straight, it goes left
vibrates at speed         | {e} shakes when i go fast | there is a vibration in {e} on the motorway
starts slowly             | {e} is hard to start | {e} takes long to start in the morning
squeals when braking      | the brakes of {e} squeal | {e} makes a squeal when i brake
smells of fuel            | i smell petrol in {e} | there's a fuel smell in {e}
shows code 12             | {e} reports code 12 | code 12 is on the screen of {e}
shows code 31             | {e} reports code 31 | code 31 is on the screen of {e}
loses pressure            | a tyre of {e} keeps going flat | {e} lost tyre pressure again
blows warm air            | the air in {e} won't get cold | the air conditioning of {e} is warm
will not lock             | i can't lock {e} | {e} doesn't lock anymore
"""),
    actions=(
        "check the oil",
        "fill in coolant",
        "change the fuse",
        "have the wheels balanced",
        "replace the key battery",
        "stop at once",
        "clean the contacts",
        "drive to a workshop",
        "replace the filter",
        "tighten the fuel cap",
        "reset the computer",
        "check the tyres",
        "charge the battery",
        "call road service",
    ),
    settings=_settings("""
seat position     | number  | which seat memory is right for {o}? | how is the seat set for {o}?
cabin temperature | degrees | how warm is the cabin for {o}? | what do we heat the car to for {o}?
departure time    | clock   | when does the car have to be ready for {o}? | what time do we leave for {o}?
radio volume      | percent | how loud is the radio for {o}? | how loud may the music be for {o}?
garage code       | code    | which code opens the garage for {o}? | what do i type at the gate for {o}?
charge limit      | percent | how full do we charge for {o}? | where does charging stop for {o}?
parking spot      | number  | where do we park for {o}? | which spot is ours for {o}?
service day       | Monday/Tuesday/Wednesday/Thursday/Friday/Saturday | on which day is the service for {o}? | when do we go to the workshop for {o}?
"""),
    owners=(
        "the commute",
        "the school run",
        "the holiday trip",
        "the weekend",
        "the airport",
        "the orchard",
        "the dog",
        "night drives",
        "the market",
        "the lake house",
        "Mia",
        "Tom",
        "Grandpa",
        "Jonas",
        "Lena",
        "Omar",
        "the learner",
        "the choir",
    ),
    types=(
        "hatchback",
        "estate",
        "van",
        "coupe",
        "pickup",
        "roadster",
        "minibus",
        "crossover",
        "camper",
        "saloon",
        "cabrio",
        "buggy",
        "wagon",
        "scooter",
        "truck",
        "limousine",
        "tricycle",
        "jeep",
    ),
    general=_general("""
ABS keeps the wheels from locking. | keeps the wheels from locking | what does ABS do? | what is ABS for? | why does my car have ABS?
A tyre needs 1.6 millimetres of tread. | 1.6 millimetres | how much tread does a tyre need? | when is a tyre too worn? | what is the least tread a tyre may have?
Winter tyres stay soft in the cold. | soft in the cold | why use winter tyres? | what is special about winter tyres? | how do winter tyres differ from others?
Tyre pressure is measured on cold tyres. | cold tyres | when do i measure tyre pressure? | are tyres measured warm or cold? | should i check the pressure before or after driving?
Coolant carries heat away from the engine. | heat away from the engine | what does coolant do? | what is coolant for? | why is there coolant in a car?
Brake fluid should be changed every two years. | every two years | how often is brake fluid changed? | when is new brake fluid due? | how long does brake fluid stay good?
Regenerative braking charges the battery. | charges the battery | what is regenerative braking? | what does regenerative braking do? | where does the energy of regenerative braking go?
A heat pump warms the cabin with less power. | with less power | what does a heat pump do in a car? | why does an electric car have a heat pump? | is a heat pump in the car any good?
Cold weather lowers the range of an electric car. | lowers the range | what does cold do to an electric car? | how does winter change electric range? | why do i get less far in winter?
A spare wheel should be driven at 80 at most. | 80 at most | how fast may i drive on a spare wheel? | what is the limit on a spare wheel? | what speed is ok with the spare wheel on?
Lane assist steers gently between the lines. | gently between the lines | what does lane assist do? | what is lane assist? | what happens when lane assist is on?
Cruise control keeps the speed steady. | keeps the speed steady | what does cruise control do? | what is cruise control? | why would i turn on cruise control?
A child seat belongs in the back. | in the back | where does a child seat belong? | where do i put a child seat? | which row is right for a child seat?
A warning triangle stands 100 metres behind the car. | 100 metres behind | where does a warning triangle stand? | how far behind goes the warning triangle? | where do i place the triangle after a breakdown?
Diesel and petrol must not be mixed. | must not be mixed | can diesel and petrol be mixed? | may i mix diesel and petrol? | is some petrol in a diesel tank a problem?
The octane number says how well fuel resists knocking. | resists knocking | what is the octane number? | what does the octane number say? | what does 95 at the pump mean?
A cabin filter cleans the air inside. | cleans the air inside | what does a cabin filter do? | what is a cabin filter for? | why change the cabin filter?
Worn wipers leave streaks on the glass. | streaks on the glass | how do i notice worn wipers? | what do worn wipers do? | when do my wipers need replacing?
"""),
    procedures=_procedures("""
jump-start | give {e} a jump-start
wash | get {e} clean
fit a roof box on | put a roof box on {e}
change a wheel on | swap a wheel of {e}
"""),
    steps=(
        "pull the handbrake",
        "open the bonnet",
        "switch off the engine",
        "loosen the bolts",
        "put on the gloves",
        "turn the key twice",
        "close the flap",
        "wait for two minutes",
    ),
)

SPEECH = {"smart_home": SMART_HOME, "automotive": AUTOMOTIVE}
