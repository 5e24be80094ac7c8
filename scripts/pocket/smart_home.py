"""The words of the smart home: what is measured, set, broken, done and known there."""

from __future__ import annotations

from scripts.pocket import speech as s

SPEECH = s.Speech(
    attributes=s.attributes("""
battery life | months | 3 36 1 | longer/shorter
= battery lifetime | battery duration | time on one battery | battery endurance
? how long does the battery of {e} last? | how many months does {e} run on one battery? | when will i have to change the battery of {e}? | how long before {e} needs a new battery? | how often do i have to put new batteries in {e}? | after how many months is the battery of {e} empty? | how long do the batteries in {e} hold? | how many months do i get out of one set of batteries in {e}? | when does the battery in {e} die? | how long does {e} keep going on a single battery?
? how many months between two battery changes of {e}? | how long can i leave {e} alone before its battery is flat? | is the battery of {e} good for a year, how many months? | how durable is the battery of {e}? | how soon does {e} need fresh cells? | how many months does one battery power {e}? | how patient is the battery of {e}? | when is it time to swap the cells in {e}?
+ runs longer on one battery | goes longer without new batteries | keeps going for more months on its battery | has the battery that lasts longer
+ lives longer on its cells | can be left alone longer before the battery is flat | has the more durable battery
- needs new batteries sooner | runs out of battery first | eats its battery faster | has the battery that dies sooner
- is the first to need fresh cells | has a flat battery earlier | gives up earlier on one battery

wireless range | metres | 5 95 5 | longer/shorter
= radio range | signal range | wireless reach | signal reach | reception range
? how far away can {e} be from the hub? | how far does the signal of {e} reach? | how many metres does the signal of {e} get? | from how far off does {e} still have reception? | how far from the hub may i put {e}? | at what distance does {e} stop working? | how far can {e} send? | up to how many metres does {e} work? | how much distance can i leave between {e} and the hub? | will {e} still get a signal far away, how many metres?
? how distant can {e} be and still connect? | will {e} work from the garden, how many metres? | how far off can {e} hang from the hub? | how many metres apart may the hub and {e} be? | how strong is the radio of {e}, in metres? | how many metres through the house does {e} carry? | how long is the arm of {e} over wifi? | how far does {e} transmit?
+ reaches further | can be further away from the hub | has a signal that gets further | works over a greater distance
+ still works when it is further off | transmits further | carries further through the house
- has to be closer to the hub | does not reach as far | has the weaker signal | loses the signal at a smaller distance
- must stay nearer to the hub | transmits less far | gives up at a shorter distance

reset time | seconds | 2 30 1 | longer/shorter
= reset duration | time to reset | reset hold time | button time for a reset
? how long do i hold the button to reset {e}? | how many seconds for a reset of {e}? | how many seconds do i press to reset {e}? | for how long must i push the button until {e} resets? | how long do i keep the reset button of {e} pressed? | to put {e} back to factory state, how long do i press? | how long does a factory reset of {e} take? | how many seconds until {e} is reset? | how long should i keep my finger on the reset button of {e}? | i want to reset {e}, how many seconds is that?
? how long to keep pressing until {e} starts anew? | how many seconds does it take {e} to go back to zero? | for a fresh start, how long do i press on {e}? | how long is the press that resets {e}? | how long before {e} is wiped when i hold the button? | i want {e} like new out of the box, how long do i press? | how many seconds to restore {e}? | when i reset {e}, how long do i hold on?
+ takes longer to reset | needs the button held longer | makes me hold the reset button for more seconds | is slower to reset
+ keeps me pressing longer | wants the longer press
- resets faster | takes less time to reset | needs the reset button for fewer seconds | is quicker to reset
- lets go of its settings quicker | wants the shorter press

warranty | years | 2 10 1 | longer/shorter
= guarantee | warranty period | warranty time | cover | guarantee period
? for how many years is {e} covered? | how long is {e} under guarantee? | how many years of guarantee does {e} have? | until when can i send {e} back if it breaks? | how long does the maker stand behind {e}? | if {e} breaks, for how many years is the repair free? | how many years of warranty do i get with {e}? | when does the warranty of {e} run out? | how long am i covered if {e} fails? | for how long is {e} guaranteed?
? how old may {e} be for a free repair? | if {e} gives up, how many years can i complain? | for how long will they swap {e} for free? | how many years can i claim on {e}? | how long does the shop replace {e}? | how long is {e} insured against faults? | how many years of protection come with {e}? | {e} broke, within how many years is it still free?
+ is covered for longer | comes with more years of guarantee | is guaranteed for longer | has more years of cover
+ can be sent back for longer | is protected for more years
- is covered for fewer years | runs out of warranty first | comes with less guarantee | loses its cover sooner
- can be sent back for less time | is protected for fewer years

power draw | watts | 2 98 1 | higher/lower
= power consumption | wattage | power use | electricity use | energy use
? how much electricity does {e} use? | how many watts does {e} take? | how much power does {e} need? | how many watts does {e} burn? | how much energy does {e} eat? | what does {e} pull from the socket? | how power hungry is {e}? | how many watts go into {e}? | how much current does {e} draw? | what does {e} consume?
? how many watts should i plan for {e}? | how big is the load of {e} on the mains? | how much juice does {e} need? | how greedy for power is {e}? | how many watts does {e} show on the meter? | how much does {e} add to my power bill, in watts? | what load does {e} put on the socket? | how thrifty is {e} with electricity?
+ uses more electricity | burns more watts | is worse for my power bill | needs more power
+ is greedier for power | takes more juice | puts the bigger load on the socket
- uses less electricity | burns fewer watts | saves more power | is better for my power bill
- is thriftier with electricity | takes less juice | puts the smaller load on the socket

charging time | hours | 2 12 0.5 | longer/shorter
= time to charge | charge duration | recharging time | time on the charger
? how long until {e} is fully charged? | how many hours does {e} need on the charger? | how long do i have to charge {e}? | when is {e} full again after charging? | how many hours to load {e} up? | how long must {e} stay plugged in to be full? | how long does it take to charge {e}? | how many hours until {e} is at a hundred percent? | {e} is empty, how long does charging take? | how long does {e} hang on the cable to fill up?
? how many hours from empty to full for {e}? | how soon can i unplug {e}? | how much patience do i need to charge {e}? | if i plug {e} in now, in how many hours is it full? | how long does it take to refill the battery of {e}? | how many hours on the cable for {e}? | how slow is {e} at charging? | does {e} charge overnight, how many hours?
+ takes longer to charge | needs more hours on the charger | charges more slowly | is full later
+ hangs on the cable longer | wants more patience on the plug
- charges faster | is full sooner | needs fewer hours on the charger | takes less time to charge
- can be unplugged sooner | is the quicker charger

noise level | decibels | 15 75 1 | higher/lower
= noise | loudness | sound level | noise output
? how loud is {e}? | how many decibels does {e} make? | how much noise does {e} make? | is {e} noisy, how many decibels? | how quiet is {e}? | how noisy does {e} get? | how much of a racket does {e} make? | how many decibels come out of {e}? | how silent is {e} when it runs? | will {e} wake the baby, how loud is it?
? can i sleep next to {e}, how loud is it? | how much sound does {e} give off? | how many decibels do i hear from {e}? | what volume does {e} run at, in decibels? | does {e} disturb at night, how many decibels? | how much din does {e} make? | how loud does {e} get when it works? | how noisy can i expect {e} to be?
+ is louder | makes more noise | is noisier | makes the bigger racket
+ disturbs my sleep more | gives off more sound | has more decibels
- is quieter | makes less noise | is more silent | disturbs me less
- is easier on the ears | gives off less sound | has fewer decibels

weight | grams | 50 950 10 | higher/lower
= mass | heaviness | weight in grams | total weight
? how heavy is {e}? | how many grams does {e} weigh? | what does {e} weigh? | how much does {e} weigh? | what do the scales say for {e}? | how much do i carry with {e}? | is {e} heavy, how many grams? | how many grams is {e}? | how light is {e}? | how much weight does {e} have?
? what do i lift with {e}? | how many grams do i hang on the wall with {e}? | if i put {e} on the scales, what do i see? | how much does {e} weigh in at? | can a shelf hold {e}, how heavy is it? | how hefty is {e}? | how many grams does the post charge for {e}? | what is {e} in grams?
+ is heavier | weighs more | has more grams | is harder to carry
+ is heftier | pulls more on the hook | brings more to the scales
- is lighter | weighs less | has fewer grams | is easier to carry
- is less hefty | pulls less on the hook | brings less to the scales

pairing time | minutes | 2 15 1 | longer/shorter
= time to pair | connection time | pairing duration | time to connect
? how long does it take to pair {e}? | how many minutes until {e} is connected to the app? | how long does {e} need to connect? | how long does pairing {e} take? | how many minutes to link {e} with my phone? | how long until {e} is paired? | how long until the app finds {e}? | how many minutes does it take {e} to join the network? | how long must i wait for {e} to pair? | how long does it take to hook {e} up with the app?
? how many minutes till {e} shows up in the app? | how long does the handshake with {e} take? | how fast does {e} pair? | how much time to get {e} onto my network? | how long does {e} look for the hub? | how many minutes to add {e} to the app? | when is {e} connected once i start? | how long do i wait until {e} and my phone find each other?
+ takes longer to pair | needs more minutes to connect | is slower to join the app | makes me wait longer for pairing
+ takes more minutes to show up in the app | needs longer to be added
- pairs faster | connects sooner | is quicker to join the app | needs fewer minutes to pair
- shows up in the app earlier | is added in less time

memory | gigabytes | 2 128 2 | bigger/smaller
= storage | storage space | memory size | storage capacity
? how many gigabytes can {e} store? | how much can {e} record? | how much memory is in {e}? | how much storage does {e} have? | how many gigabytes are in {e}? | how much space for data does {e} have? | how many gigs does {e} have? | how much data fits on {e}? | how much can i save on {e}? | how big is the memory of {e}?
? how many recordings does {e} keep, in gigabytes? | how large is the store in {e}? | how much room is there in {e} for videos? | how many gigabytes until {e} is full? | how much does {e} remember? | how big a disk is in {e}? | what capacity has {e} for data? | how many gb does {e} have?
+ can store more | has more gigabytes | holds more recordings | keeps more data
+ remembers more | has more gb | has more room for videos
- can store less | has fewer gigabytes | holds fewer recordings | runs out of storage sooner
- remembers less | has fewer gb | has less room for videos

price | euros | 15 395 5 | higher/lower
= cost | list price | retail price | shop price
? how much does {e} cost? | what does {e} cost? | how many euros is {e}? | how expensive is {e}? | what do i pay for {e}? | how much money is {e}? | how much is {e} in the shop? | what would {e} set me back? | for how much can i get {e}? | how many euros do i need for {e}?
? how much cash do i need for {e}? | how dear is {e}? | what is on the price tag of {e}? | is {e} affordable, how many euros? | how many euros do they want for {e}? | how much would i spend on {e}? | how deep do i reach in my pocket for {e}? | what's {e} going for?
+ costs more | is more expensive | is dearer | takes more money to buy
+ takes a bigger hole in my purse | has the bigger price tag | makes me spend more
- costs less | is cheaper | is easier on my wallet | can be had for less money
- is more affordable | has the smaller price tag | lets me spend less

width | millimetres | 40 480 5 | bigger/smaller
= breadth | overall width | size across | side to side size
? how wide is {e}? | how many millimetres wide is {e}? | how broad is {e}? | how much room does {e} need from left to right? | how wide must the shelf be for {e}? | how many millimetres is {e} across? | what does {e} measure from side to side? | will {e} fit in the gap, how wide is it? | how wide does {e} measure? | how much shelf does {e} take up in width?
? how much space from side to side does {e} fill? | how thick is {e} across? | what gap does {e} fit into? | how many millimetres of shelf does {e} need? | from left edge to right edge, how much is {e}? | how slim is {e}? | how large is {e} from the left to the right? | how many millimetres must i leave free for {e}?
+ is wider | is broader | needs a wider shelf | measures more across
+ fills more of the shelf | has more millimetres from left to right
- is narrower | is slimmer | fits a narrower gap | measures less across
- fills less of the shelf | has fewer millimetres from left to right

cable length | centimetres | 50 350 10 | longer/shorter
= cord length | length of the cable | length of the cord | lead length
? how long is the cable of {e}? | how many centimetres of cable does {e} have? | how long is the cord on {e}? | how far from the socket can {e} stand? | how far does the cable of {e} go? | how long is the wire that comes with {e}? | how much cable comes with {e}? | how long is the lead of {e}? | does the cable of {e} get to the wall, how long is it? | how many centimetres is the cord of {e}?
? do i need an extension for {e}, how long is its cable? | how near to a socket must {e} be? | how many centimetres of wire has {e}? | how much lead is there on {e}? | how far can i pull the cable of {e}? | how far will the plug of {e} get? | how long a cord came with {e}? | what does the cable of {e} measure?
+ has the cable that goes further | comes with more cable | can stand further from the socket | has more cord
+ gets to a socket further off | has the more generous cord
- has to stand nearer to the socket | comes with less cable | has less cord | has the cable that ends sooner
- needs the nearer socket | has the stingier cord

brightness | lumens | 100 1900 50 | higher/lower
= light output | luminosity | amount of light | lumen count
? how bright is {e}? | how many lumens does {e} give? | how much light does {e} make? | how strong is the light of {e}? | how bright does {e} get? | how many lumens has {e}? | how much light comes from {e}? | how bright can i turn {e} up? | how well does {e} light up a room, in lumens? | how many lumens does {e} shine with?
? can i read by {e}, how bright is it? | how much light falls from {e}? | how many lumens come out of {e}? | how powerful is the light of {e}? | how intense is {e}? | how brilliantly does {e} shine? | is {e} bright enough for a hall, how many lumens? | how dazzling is {e}?
+ is brighter | gives more light | shines stronger | has more lumens
+ lights the room better | is more dazzling | puts out more lumens
- is dimmer | gives less light | shines weaker | has fewer lumens
- lights the room less | is less dazzling | puts out fewer lumens

start-up time | seconds | 2 90 1 | longer/shorter
= boot time | time to start | startup duration | starting time
? how long does {e} take to start? | how many seconds until {e} is ready? | how long does {e} need to boot? | how fast is {e} up and running? | after switching {e} on, how long until it works? | how long does {e} take to come on? | how many seconds does {e} boot? | how long must i wait after turning on {e}? | how quickly does {e} start up? | how soon can i use {e} once it is on?
? how many seconds from pressing the switch until {e} runs? | how long is the wait when {e} boots? | how sleepy is {e} when i turn it on? | how long until {e} wakes up? | how much time does {e} take to get going? | once plugged in, when is {e} ready? | how slow is {e} at starting? | how many seconds does {e} take to wake?
+ takes longer to start | boots more slowly | is ready later | makes me wait longer after switching on
+ wakes up more slowly | gets going later
- starts faster | boots quicker | is ready sooner | is up and running first
- wakes up faster | gets going earlier

mounting height | centimetres | 30 240 10 | bigger/smaller
= installation height | height on the wall | hanging height | height above the floor
? how high do i mount {e}? | how high up the wall does {e} go? | at what height should {e} hang? | how many centimetres above the floor belongs {e}? | how far off the ground do i put {e}? | how high should i install {e}? | how high do i screw {e} to the wall? | where on the wall does {e} go, how high? | at how many centimetres do i fix {e}? | how far up do i hang {e}?
? how high off the floor does {e} have to be? | how many centimetres up do i drill for {e}? | how tall a ladder do i need for {e}, how high does it go? | where do i drill for {e}, how high? | at what level do i attach {e}? | how far from the floor is {e} attached? | how high is the right spot for {e}? | to what height do i lift {e} on the wall?
+ is mounted higher | goes further up the wall | hangs higher | belongs further from the floor
+ has to be attached higher | makes me climb higher | needs its holes further up
- is mounted lower | hangs lower | goes less far up the wall | belongs nearer to the floor
- has to be attached lower | can be put up without climbing as high | needs its holes further down

heat limit | degrees | 35 95 1 | higher/lower
= top temperature | maximum temperature | temperature limit | heat tolerance
? how hot may {e} get? | up to how many degrees can {e} stand? | what heat can {e} take? | how warm can it be around {e}? | at how many degrees is it too hot for {e}? | how much heat does {e} survive? | what is the hottest {e} can bear? | how many degrees does {e} tolerate? | when is {e} too hot? | how hot is too hot for {e}?
? does {e} survive a hot summer, up to how many degrees? | when does {e} melt down, at how many degrees? | can i put {e} near the oven, how hot may it be? | how many degrees before {e} gives up? | what temperature is the most for {e}? | how much warmth can {e} stand? | up to what heat is {e} safe? | from how many degrees is {e} in danger?
+ can take more heat | may get hotter | survives higher temperatures | stands more degrees
+ is safer in the heat | can be put closer to the oven | gives up at more degrees
- can take less heat | has to stay cooler | is more sensitive to heat | stands fewer degrees
- is in danger at lower temperatures | suffers earlier from heat | gives up at fewer degrees

viewing angle | degrees | 60 180 5 | bigger/smaller
= field of view | angle of view | detection angle | viewing field
? how wide is the view of {e}? | how many degrees can {e} see? | how much of the room does {e} see? | what angle does {e} cover? | how far to the side does {e} look? | how wide an angle does {e} have? | how many degrees does {e} cover? | how wide does {e} look? | over what angle does {e} notice things? | how big an angle does {e} watch?
? how much does {e} take in? | does {e} see the corner, how many degrees? | how broad is the eye of {e}? | how many degrees does {e} take in at once? | how much of the yard can {e} watch, in degrees? | how large is the sight of {e}? | what part of the room is seen by {e}, in degrees? | how far round does {e} see?
+ sees a wider angle | covers more of the room | looks further to the side | covers more degrees
+ takes in more at once | watches more of the yard | sees further round
- sees a narrower angle | covers less of the room | has the tighter view | covers fewer degrees
- takes in less at once | watches less of the yard | misses more at the sides
"""),
    symptoms=s.symptoms("""
blinks red | {e} keeps blinking red | there is a red light blinking on {e} | {e} is flashing red | a red light flashes on {e} | i see {e} winking red at me | the light on {e} is red and goes on and off | {e} has a red blinking light | {e} is winking in red | the red light of {e} keeps going on and off | {e} shows a flashing red lamp
beeps twice | {e} beeped twice | i hear two beeps from {e} | {e} goes beep beep | {e} gave two beeps | there were two beeps from {e} | {e} makes a double beep | {e} chirped two times | {e} makes beep beep | {e} sounds twice | i heard {e} beep and beep again
shows error 4 | {e} says error 4 | error 4 came up on {e} | {e} gives me error 4 | there's an error 4 on {e} | {e} displays error number 4 | the screen of {e} reads error 4 | {e} has an error 4 | i get error 4 with {e} | error 4 on {e} | {e} stopped with error 4
shows error 7 | {e} says error 7 | error 7 came up on {e} | {e} gives me error 7 | there's an error 7 on {e} | {e} displays error number 7 | the screen of {e} reads error 7 | {e} has an error 7 | i get error 7 with {e} | error 7 on {e} | {e} stopped with error 7
does not pair | i can't pair {e} | {e} won't connect to the app | the app does not find {e} | {e} refuses to pair | pairing {e} fails | i can't get {e} connected to my phone | {e} can't be paired | my phone can't see {e} | {e} and the app don't find each other | no luck pairing {e}
turns off by itself | {e} switches itself off all the time | {e} keeps turning off on its own | {e} shuts down for no reason | {e} goes off without me touching it | {e} just turned itself off | {e} powers down by itself | {e} just quits | {e} dies after a while and nobody touched it | {e} went off by itself again | {e} keeps shutting off
hums | {e} is humming | there's a humming noise from {e} | {e} makes a low hum | {e} buzzes quietly | i hear a hum from {e} | a hum comes out of {e} | {e} drones | {e} hums all night | there's a steady drone from {e} | {e} gives off a hum
feels hot | {e} is really hot | {e} got very warm | {e} is overheating | i nearly burnt my hand on {e} | {e} gets too hot to touch | {e} is hot to the touch | {e} is burning hot | {e} heats up a lot | {e} is far too warm | i can fry an egg on {e}
loses its connection | {e} keeps going offline | {e} drops the connection | {e} is offline again | {e} loses the wifi all the time | {e} disconnects now and then | the connection to {e} keeps breaking | {e} is gone from the network again | {e} keeps dropping out | {e} cuts out all the time | the link to {e} goes away
shows the wrong time | the clock on {e} is wrong | {e} tells the wrong time | the time on {e} is off | {e} is an hour out | {e} has the wrong time | the clock of {e} does not match mine | {e} thinks it is another hour | the time that {e} shows isn't right | {e} runs an hour late | {e} is wrong about the time
stays dark | {e} won't light up | nothing lights up on {e} | {e} is completely dark | there's no light on {e} | {e} does not come on | {e} remains black | {e} gives no light | {e} is black | {e} shows nothing at all | i switch {e} on and it stays dark
reacts slowly | {e} is so slow | {e} takes ages to react | {e} lags | {e} responds late | {e} is sluggish | it takes forever until {e} does something | {e} needs forever to do anything | {e} is lagging | {e} answers with a delay | {e} got really slow
smells burnt | {e} smells of burning | there's a burnt smell from {e} | {e} stinks like burnt plastic | i smell something burning near {e} | {e} has a burning smell | a scorched smell comes from {e} | {e} smells like something is on fire | {e} smells singed | there's a smell of burning around {e} | {e} reeks of burnt wire
rattles | something rattles in {e} | {e} is rattling | there's a rattle in {e} | {e} makes a rattling sound | something is loose inside {e} | i hear {e} rattle | {e} is clattering | a rattling comes from {e} | {e} sounds loose | {e} makes a rattle when it runs
drips water | {e} is leaking | water drips out of {e} | there's a puddle under {e} | {e} drips | {e} loses water | {e} is wet underneath | drops fall from {e} | {e} leaves a puddle | {e} is dripping | the floor under {e} is wet
ignores the app | {e} does not listen to the app | {e} doesn't do what the app says | the app has no effect on {e} | i tap in the app and {e} does nothing | {e} won't obey my phone | commands from the app don't reach {e} | nothing happens on {e} when i use the app | {e} takes no orders from the app | my phone can't control {e} | {e} is deaf to the app
forgets its schedule | {e} lost its schedule | {e} does not keep the timer | the schedule of {e} is gone | {e} forgot the times i set | {e} keeps losing its programme | my timers on {e} vanish | {e} doesn't remember the schedule | the timer of {e} is empty again | {e} dropped all my times | {e} no longer knows its timetable
will not charge | i can't charge {e} | {e} does not charge anymore | {e} is plugged in but stays empty | the battery of {e} won't fill | {e} won't take a charge | charging {e} doesn't work | {e} stays at zero on the charger | {e} isn't charging | the charger does nothing for {e} | {e} doesn't fill up when plugged in
"""),
    actions=s.words("""
replace the battery | hold the reset button | clean the lens | update the firmware | move it closer to the hub | tighten the mount | unplug it for one minute | call the support line | check the fuse | lower the brightness | remove the cover | pair it again | restart the router | wipe the sensor | dry the contacts | try another socket | let it cool down | turn off the scene | delete the old profile | change the channel | send it in for repair | clear the memory
"""),
    settings=s.settings("""
bedtime brightness | percent
= evening brightness | brightness at bedtime | light level at bedtime
? how bright should it be at bedtime for {o}? | how dim are the lights at night for {o}? | how far down do the lights go at bedtime for {o}? | how much light is there at bedtime for {o}? | to what percent do we dim the lights for {o}? | how bright are the lamps when it is bedtime for {o}? | how low do the lights go in the evening for {o}?
? how much do we leave the lights on at bedtime for {o}? | what level are the lamps at bedtime for {o}? | how soft is the light when going to bed for {o}? | how many percent of light at bedtime for {o}?

heating start | clock
= heating time | start of the heating | time the heating comes on
? when does the heating come on for {o}? | what time does it get warm for {o}? | when do we turn on the heating for {o}? | at what time does the heating start for {o}? | from when is it heated for {o}? | when do the radiators get warm for {o}? | since what hour is the heating on for {o}?
? since when is it warm for {o}? | at what hour do we heat for {o}? | what hour does the heater kick in for {o}? | when does it begin to get cosy for {o}?

night temperature | degrees
= temperature at night | overnight temperature | sleeping temperature
? how warm is it at night for {o}? | how cold does it get at night for {o}? | to how many degrees do we heat at night for {o}? | what temperature is it overnight for {o}? | how many degrees is it at night for {o}? | what do we keep it at during the night for {o}? | how far does it cool down at night for {o}?
? what is the thermostat at overnight for {o}? | how chilly are the nights for {o}? | how many degrees while everyone sleeps for {o}? | how warm do we leave it after dark for {o}?

wake-up alarm | clock
= alarm time | alarm in the morning | wake-up time
? when does the alarm go off for {o}? | what time is the wake-up for {o}? | when does it ring in the morning for {o}? | at what time do we wake up for {o}? | for when is the alarm set for {o}? | how early does the alarm ring for {o}? | what time is the morning alarm for {o}?
? when do we get up for {o}? | how early is the alarm for {o}? | what time does the clock ring for {o}? | when is it time to wake for {o}?

door code | code
= entry code | code for the door | door number code
? which code opens the door for {o}? | what do i type at the door for {o}? | what is the code at the door for {o}? | which digits open the door for {o}? | how do i open the door for {o}, what code? | which number do i enter at the door for {o}? | what are the four digits of the door for {o}?
? what are the numbers for the door for {o}? | how do i unlock the door for {o}, which code? | what pin opens the door for {o}? | what do i key in to get in for {o}?

speaker volume | percent
= music volume | volume of the speaker | sound volume
? how loud is the music for {o}? | how loud did we set the speaker for {o}? | at what volume does the music play for {o}? | how far up is the speaker for {o}? | how loud should the speaker be for {o}? | to what percent is the sound turned up for {o}? | how loud do we play songs for {o}?
? how loud can the speaker go for {o}? | how high is the volume for {o}? | how much sound comes from the speaker for {o}? | how quiet is the music for {o}?

light colour | warm white/amber/sky blue/rose/pale green/violet/ivory/coral
= colour of the light | lamp colour | lighting colour
? what colour are the lights for {o}? | which colour did we pick for {o}? | in which colour do the lamps shine for {o}? | what colour is it lit for {o}? | which light colour belongs to {o}? | what shade are the lights for {o}? | which colour should the lamps have for {o}?
? which hue do the lights have for {o}? | what do we tint the lamps for {o}? | how are the lights coloured for {o}? | what colour should i make the bulbs for {o}?

cleaning day | Monday/Tuesday/Wednesday/Thursday/Friday/Saturday
= day for cleaning | vacuum day | day of the cleaning
? on which day does the vacuum run for {o}? | when is it cleaned for {o}? | which day of the week is cleaning for {o}? | on what day do we clean for {o}? | what weekday does the vacuum come for {o}? | which day do we vacuum for {o}? | when does the robot clean for {o}?
? which day does the robot sweep for {o}? | on what day is the floor done for {o}? | what is the day to hoover for {o}? | when do the floors get cleaned for {o}?

blind opening | clock
= opening time of the blinds | time the blinds open | blinds in the morning
? when do the blinds open for {o}? | what time do the blinds go up for {o}? | when is daylight let in for {o}? | at what time do we open the blinds for {o}? | when do the shutters go up for {o}? | how early do the blinds rise for {o}? | when are the blinds pulled up for {o}?
? when does the sun come in for {o}? | what hour do the blinds rise for {o}? | when should the blinds be up for {o}? | at what time are the shutters open for {o}?

favourite station | Radio One/Jazz FM/Classic Plus/News Live/Folk Wave/Rock Mix
= radio station | preferred station | station on the radio
? which station do we play for {o}? | what do we listen to for {o}? | what radio is on for {o}? | which channel did we save for {o}? | what plays on the radio for {o}? | which station should i tune in for {o}? | what radio channel is the favourite for {o}?
? what should the radio play for {o}? | which station is the favourite for {o}? | what do i put on the radio for {o}? | which broadcaster is on for {o}?

screen limit | minutes
= screen time | limit for the screen | time in front of the screen
? how long may the screen be on for {o}? | how many minutes of television are allowed for {o}? | how much screen is ok for {o}? | when is the screen cut off for {o}, after how many minutes? | how long is watching allowed for {o}? | how many minutes of screen did we agree on for {o}? | for how long can the tv run for {o}?
? how many minutes of tv are fine for {o}? | after how many minutes is the screen off for {o}? | how much telly is allowed for {o}? | how long is the tablet ok for {o}?

lamp scene | reading/sunset/party/focus/candle/cinema
= scene | lighting scene | scene of the lamps
? which scene is on for {o}? | what scene did we save for {o}? | which mood do the lamps make for {o}? | what do the lamps switch to for {o}? | which scene do i start for {o}? | what lighting mood is right for {o}? | what mood did we pick for {o}?
? what scene should be running for {o}? | what lamp scene goes on for {o}? | what are the lamps set to for {o}? | what ambience do we use for {o}?
"""),
    owners=s.words("""
the kitchen | the nursery | the study | the hallway | the guest room | the garage | the attic | the bathroom | the cellar | the porch | Mia | Tom | Grandma | Jonas | Lena | Omar | the twins | the den | the library | the sunroom | Ravi | Uncle Ben | the baby | Yuki | the terrace | Nora | the cat | the stairs
"""),
    types=s.words("""
bulb | plug | lamp | thermostat | camera | lock | sensor | blind | speaker | hub | vacuum | doorbell | fan | heater | alarm | remote | display | kettle | switch | purifier | sprinkler | scale | oven | projector
"""),
    general=s.general("""
A radiator valve sets how warm one room gets. | how warm one room gets | what does a radiator valve do? | what is a radiator valve for? | what do you use a radiator valve for? | tell me about radiator valves | what does the valve on a radiator set? | what can a radiator valve change? | why would i want a radiator valve?
A kilowatt hour is one thousand watts for one hour. | one thousand watts for one hour | what is a kilowatt hour? | how big is a kilowatt hour? | what does kilowatt hour mean? | how much is one kilowatt hour? | what do they mean by kilowatt hour? | define kilowatt hour | explain a kilowatt hour to me
LED lamps need less power than halogen lamps. | LED lamps need less | which lamps need less power, LED or halogen? | do LED or halogen lamps save power? | what saves more, LED or halogen? | should i buy LED or halogen lamps? | are LED lamps better than halogen lamps? | why LED instead of halogen? | is LED or halogen better for my power bill?
A bedroom is comfortable at 18 degrees. | 18 degrees | how warm should a bedroom be? | what is a good bedroom temperature? | how many degrees for a bedroom? | what is the best temperature in a bedroom? | how warm is right for a bedroom? | at how many degrees is a bedroom comfortable? | which temperature is good for sleeping?
Wi-Fi works on 2.4 and 5 gigahertz. | 2.4 and 5 gigahertz | on which bands does Wi-Fi work? | what frequencies does Wi-Fi use? | which bands does wifi have? | what frequency is wifi on? | on what frequencies does wifi run? | tell me the Wi-Fi bands | what gigahertz is Wi-Fi on?
A smoke alarm should be tested every month. | every month | how often should i test a smoke alarm? | when do smoke alarms need a test? | how often is a smoke alarm tested? | when should i test my smoke alarm? | how frequently do i test smoke alarms? | testing a smoke alarm, how often? | how regularly do i check the smoke alarm?
A smoke alarm lasts ten years. | ten years | how long does a smoke alarm last? | when is a smoke alarm too old? | after how many years do i replace a smoke alarm? | what is the lifetime of a smoke alarm? | how many years can i use a smoke alarm? | when do i need a new smoke alarm? | how old may a smoke alarm get?
A hub connects devices to the home network. | connects devices | what does a hub do? | what is a hub for? | what do you need a hub for? | what does a smart home hub do? | tell me what a hub does | what is the job of a hub? | why do i need a hub at all?
Motion sensors see warmth that moves. | warmth that moves | what do motion sensors see? | how does a motion sensor notice me? | what does a motion sensor react to? | how does a motion sensor work? | what makes a motion sensor go off? | what do motion sensors look for? | what exactly does a motion sensor detect?
A scene sets many devices at once. | many devices at once | what is a scene? | what does a scene do? | what is a scene in a smart home? | what are scenes good for? | what do scenes do? | tell me what a scene is | what happens when i run a scene?
A firmware update mends faults in a device. | mends faults | why update the firmware? | what does a firmware update do? | what are firmware updates for? | why should i install firmware updates? | what is the use of a firmware update? | do i need firmware updates, what for? | is there a point in firmware updates?
A mesh network passes messages from device to device. | from device to device | what is a mesh network? | how does a mesh network work? | what does mesh mean? | what does a mesh network do? | what is a mesh? | tell me how a mesh works | how do messages travel in a mesh?
Geofencing acts when your phone leaves or comes home. | leaves or comes home | what is geofencing? | when does geofencing act? | what does geofencing do? | how does geofencing work? | what does geofencing mean? | what triggers geofencing? | how does geofencing know what to do?
An air filter should be changed every three months. | every three months | how often should i change an air filter? | when is a new air filter due? | how often do air filters need changing? | after how long do i change the air filter? | when should an air filter be replaced? | how many months does an air filter last? | how long can an air filter stay in?
A router should stand in the middle of the home. | in the middle of the home | where should a router stand? | what is the best place for a router? | where is a good place for the router? | where does a router belong? | in which spot does a router work best? | where to place a router? | where do i put the router?
Two-step sign-in asks for a second proof. | a second proof | what is two-step sign-in? | what does two-step sign-in ask for? | how does two-step sign-in work? | what does two-step sign-in do? | what does two-step sign-in mean? | why is two-step sign-in safer? | what else do i need with two-step sign-in?
Humidity at home should be about 50 percent. | 50 percent | how humid should a home be? | what humidity is healthy at home? | how much humidity is good at home? | what should the humidity at home be? | what is good humidity for a house? | how humid should the rooms be? | what is the right humidity indoors?
A dimmer changes how bright a lamp is. | how bright a lamp is | what does a dimmer do? | what is a dimmer for? | what do you use a dimmer for? | why have a dimmer? | what does a dimmer change? | tell me about dimmers | what can i change with a dimmer?
Standby power is used while a device waits. | while a device waits | what is standby power? | when is standby power used? | what does standby power mean? | what is standby? | why do devices use power in standby? | tell me about standby power | where does power go when nothing is on?
A lux tells how much light falls on a surface. | falls on a surface | what is a lux? | what does lux mean? | what does a lux tell? | what do i measure in lux? | how is light on a surface measured? | define lux | what would a lux meter show me?
Descaling removes chalk from a kettle. | removes chalk | what does descaling do? | why descale a kettle? | what is descaling for? | what does descaling remove? | what is the point of descaling? | why should i descale my kettle? | what gets out of a kettle by descaling?
A guest network keeps visitors away from your devices. | away from your devices | what is a guest network? | what does a guest network do? | why set up a guest network? | what is a guest network good for? | why have wifi for guests? | should visitors get a guest network? | what do i gain from a network for visitors?
Carbon monoxide has no smell. | has no smell | what does carbon monoxide smell of? | can i smell carbon monoxide? | does carbon monoxide smell? | how does carbon monoxide smell? | does carbon monoxide have a smell? | would i smell carbon monoxide? | will my nose warn me of carbon monoxide?
A water sensor belongs on the floor. | on the floor | where does a water sensor belong? | where do i put a water sensor? | where should a water sensor be? | what is the right place for a water sensor? | where do i lay a water sensor? | where to place water sensors? | in which spot does a leak detector help most?
A strong password has at least twelve characters. | at least twelve characters | how long is a strong password? | how many characters does a strong password have? | how long should a password be? | what makes a strong password? | what length is good for a password? | how many letters in a strong password? | is a short password ok?
Rechargeable batteries like to be stored half full. | half full | how should i store rechargeable batteries? | how full do i store a rechargeable battery? | how full should rechargeable batteries be in storage? | how do rechargeable batteries like to be stored? | what charge is best to store batteries? | do i store batteries full or empty? | what is the best way to put batteries away for the winter?
"""),
    procedures=s.procedures("""
descale | descale {e} | get the limescale out of {e} | remove the chalk from {e} | free {e} from limescale
clean | clean {e} | give {e} a clean | get the dirt off {e} | wash down {e}
mount | mount {e} | put {e} up | fix {e} to the wall | hang up {e}
pair | pair {e} | connect {e} to the app | link {e} with my phone | get {e} onto the network
reset | reset {e} | put {e} back to factory settings | wipe all settings of {e} | bring {e} back to its first state
change the battery of | change the battery of {e} | put a new battery into {e} | swap the batteries in {e} | replace the battery of {e}
update | update {e} | put new firmware on {e} | install the update on {e} | bring {e} up to date
calibrate | calibrate {e} | adjust {e} | set {e} so that it measures right | get {e} to measure correctly
take apart | take apart {e} | open up {e} | take {e} to pieces | dismantle {e}
move | move {e} | carry {e} to another room | give {e} a new place | take {e} somewhere else
set a timer on | set a timer on {e} | programme {e} | make a schedule for {e} | put a timer on {e}
store | store {e} | put {e} away for the winter | keep {e} in a cupboard | pack {e} away
"""),
    steps=s.words("""
switch it off | pull the plug | open the lid | press the round button | wait for the green light | rinse the filter | close the cover | start the app | scan the label | loosen the two screws | wipe it with a soft cloth | fill in warm water | let it dry for one hour | choose the room | hold the button for five seconds | slide out the tray | lift the clip | enter the code | turn it upside down | mark the holes | tap on the plus sign | confirm with yes | put in the dowels | count to ten | listen for the click | take out the card | tighten the ring | peel off the film
"""),
)
