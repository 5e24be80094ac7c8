"""The words of the car: what is measured, set, broken, done and known there."""

from __future__ import annotations

from scripts.pocket import speech as s

SPEECH = s.Speech(
    attributes=s.attributes("""
tyre pressure | bar | 1.8 3.6 0.1 | higher/lower
= tire pressure | air pressure | pressure in the tyres | inflation pressure
? how much air goes into the tyres of {e}? | how many bar do the tyres of {e} need? | what do i pump the tyres of {e} up to? | how hard do i inflate the wheels of {e}? | to how many bar do i fill the tyres of {e}? | what pressure do the tyres of {e} take? | how much do i blow into the tyres of {e}? | i am at the air pump with {e}, how many bar? | how much air do i put in {e}? | how many bar belong in {e}?
? how firm should the tyres of {e} be? | what do i set on the pump for {e}? | what goes into the tyres of {e}, in bar? | how much pressure for the wheels of {e}? | how full of air are the tyres of {e} meant to be? | tyres of {e} look flat, how many bar do they get? | how many bar should i blow into {e}? | what does the gauge have to read for {e}?
+ needs more air in its tyres | wants harder tyres | takes more bar | has its tyres pumped up more
+ wants more pressure in the wheels | has the firmer tyres
- needs less air in its tyres | wants softer tyres | takes fewer bar | has its tyres pumped up less
- wants less pressure in the wheels | has the softer tyres

tank size | litres | 30 95 1 | bigger/smaller
= tank capacity | fuel capacity | size of the tank | tank volume
? how much fuel fits into {e}? | how many litres can i fill into {e}? | how big is the tank of {e}? | how much petrol can {e} hold? | how many litres does the tank of {e} take? | how much can i fill up in {e}? | how much gas goes in {e}? | how many litres until {e} is full? | how large is the fuel tank of {e}? | when the tank of {e} is full, how many litres are in it?
? how much do i have to pump to fill {e}? | how many litres of petrol are in {e} when it is full? | how much diesel fits in {e}? | what does the tank of {e} hold? | how many litres go in when {e} is dry? | how much room for fuel is in {e}? | what volume is the tank of {e}? | how many litres does it take to fill {e} to the brim?
+ holds more fuel | takes more litres at the pump | can be filled with more petrol | has room for more fuel
+ has the larger fuel tank | swallows more at a fill-up
- holds less fuel | takes fewer litres at the pump | can be filled with less petrol | has room for less fuel
- has the smaller fuel tank | swallows less at a fill-up

oil interval | kilometres | 8000 30000 500 | longer/shorter
= oil change interval | distance between oil changes | interval for oil changes | oil change distance
? after how many kilometres does {e} need new oil? | how far can {e} go between oil changes? | how often does {e} need an oil change? | when is the next oil change of {e} due? | how many kilometres until i change the oil of {e}? | how long is the oil in {e} good for? | how many kilometres does the oil last in {e}? | how far can i drive {e} on one filling of oil? | when do i have to change oil in {e}? | after what distance is fresh oil due in {e}?
? how long may i wait with the oil change of {e}? | how many kilometres apart are the oil changes of {e}? | at how many kilometres does the oil of {e} go? | when is {e} due for an oil change? | how far until {e} asks for oil? | how often does oil have to be renewed in {e}, in kilometres? | how many kilometres can the old oil stay in {e}? | what is the gap between two oil services of {e}?
+ goes further between oil changes | needs its oil changed less often | gets more kilometres out of its oil | keeps its oil for longer
+ can wait longer for its oil change | asks for oil less often
- needs its oil changed more often | needs new oil sooner | gets fewer kilometres out of its oil | has to go to the oil change earlier
- cannot wait as long for its oil change | asks for oil more often

towing limit | kilograms | 400 3500 50 | higher/lower
= towing capacity | trailer limit | trailer weight | maximum trailer load
? how heavy a trailer can {e} pull? | how much can i tow with {e}? | how many kilograms can {e} tow? | what weight may hang on the hook of {e}? | how heavy may the caravan behind {e} be? | how much can {e} drag along? | what can {e} pull? | can i tow a boat with {e}, how heavy? | how many kilograms of trailer can {e} take? | how much trailer is allowed for {e}?
? what may {e} haul? | can {e} take a horse box, how many kilograms? | how many kilos on the tow bar of {e}? | how heavy can i load a trailer for {e}? | how much weight can i hitch to {e}? | how much may hang behind {e}? | is {e} good for a caravan, how heavy? | how big a load does {e} tow?
+ can tow more | can pull the heavier trailer | is the stronger one for a caravan | may drag more weight
+ may haul more | can have more hanging behind it | is better for a caravan
- can tow less | can only pull the lighter trailer | is weaker with a caravan | may drag less weight
- may haul less | can have less hanging behind it | is worse for a caravan

boot space | litres | 180 880 10 | bigger/smaller
= trunk space | luggage space | boot volume | cargo space | trunk size
? how much luggage fits into {e}? | how big is the trunk of {e}? | how many litres of luggage can {e} take? | how much room is in the boot of {e}? | how big is the boot of {e}? | how much shopping fits in the back of {e}? | how many litres is the boot of {e}? | how much can i pack into {e}? | how roomy is the trunk of {e}? | what volume does the boot of {e} have?
? how many suitcases go into {e}, in litres? | does a pram fit in {e}, how big is the boot? | how much stuff can i get into {e}? | how much can i stow in the back of {e}? | what fits in the trunk of {e}, in litres? | how spacious is {e} at the back? | how much cargo goes in {e}? | how large a boot has {e} got?
+ takes more luggage | has more room for bags | fits more shopping | lets me pack more
+ swallows more suitcases | is roomier at the back | stows more
- takes less luggage | has less room for bags | fits less shopping | lets me pack less
- swallows fewer suitcases | is tighter at the back | stows less

charge time | minutes | 18 95 1 | longer/shorter
= charging time | time at the charger | fast charging time | time to charge
? how long does {e} need at a fast charger? | how many minutes until {e} is charged? | how long does charging {e} take? | how many minutes do i wait while {e} charges? | when is {e} full at the charger? | how long is {e} at the charging station? | how quickly can i charge {e}? | how many minutes does {e} hang on the plug? | is there time for lunch while {e} charges, how many minutes? | how long until the battery of {e} is full?
? how long a coffee break does {e} need to charge? | how many minutes from empty to full for {e}? | how fast does {e} charge? | how soon can i drive on with {e} after plugging in? | how long does {e} take to fill its battery? | how many minutes on the plug for {e}? | how slow is {e} at charging? | what is the wait at the charger with {e}?
+ charges more slowly | stands longer at the charger | takes longer to charge | needs more minutes at the plug
+ makes me wait longer at the charger | wants the longer coffee break
- charges faster | is done sooner at the charger | takes less time to charge | needs fewer minutes at the plug
- lets me drive on sooner after plugging in | wants the shorter coffee break

wheel torque | newton metres | 80 180 5 | higher/lower
= torque of the wheel bolts | bolt torque | tightening torque | wheel bolt torque
? how tight do the wheel bolts of {e} have to be? | how firmly do i tighten the wheels of {e}? | how many newton metres for the wheels of {e}? | what do i set the torque wrench to for {e}? | how hard do i screw the wheels of {e} on? | how tight do i do up the wheel nuts of {e}? | with how many newton metres are the bolts of {e} fixed? | how much force do the wheel bolts of {e} get? | how strongly do i fasten the bolts of {e}? | how tight should the nuts on {e} be?
? what torque do the wheels of {e} need? | to what do i tighten the nuts on {e}? | how many newton metres do i put on {e}? | how hard should i pull on the bolts of {e}? | i changed a wheel of {e}, how tight? | how much do i tighten the lug nuts of {e}? | how many newton metres hold the wheels of {e}? | with what force do i screw on the wheels of {e}?
+ needs its wheel bolts tighter | wants more newton metres | has to be screwed on harder | takes more force on the bolts
+ has to be tightened more | needs a harder pull on the wrench
- needs its wheel bolts less tight | wants fewer newton metres | has to be screwed on softer | takes less force on the bolts
- has to be tightened less | needs a softer pull on the wrench

roof load | kilograms | 40 120 5 | higher/lower
= roof limit | load on the roof | maximum roof weight | roof capacity
? how much weight can the roof of {e} carry? | what may i put on the roof of {e}? | how many kilograms go on the roof of {e}? | how heavy may a roof box on {e} be? | how much can i load on top of {e}? | how many kilograms may be on top of {e}? | how much does the roof of {e} stand? | how heavy can the bikes on the roof of {e} be? | what weight is allowed on the roof of {e}? | how much luggage can go on top of {e}, in kilograms?
? how much can i strap onto the roof of {e}? | can three bikes go on {e}, how many kilograms? | what is the most for the roof of {e}? | how many kilos does the roof rack of {e} take? | how heavy may the skis on {e} be? | how much is {e} allowed to carry up there? | what load goes on the rack of {e}? | does the roof of {e} hold a tent, how many kilograms?
+ carries more on the roof | allows a heavier roof box | can have more weight on top | has the stronger roof
+ takes more bikes on top | can carry more up there
- carries less on the roof | allows only a lighter roof box | can have less weight on top | has the weaker roof
- takes fewer bikes on top | can carry less up there

driving range | kilometres | 210 950 10 | longer/shorter
= range | reach | distance in one go | total range
? how far does {e} get on one charge or tank? | how many kilometres can {e} drive in one go? | how far can i drive {e} without a stop? | how far will {e} take me? | how many kilometres does {e} manage? | when do i have to fill up {e} again, after how many kilometres? | how far can {e} go? | what distance can {e} do when it is full? | how many kilometres are in {e} when it is full? | how far can i travel in {e} before it is empty?
? how far before {e} stops? | do i get to the coast in {e}, how many kilometres? | how many kilometres between two fill-ups of {e}? | how far away can i go with {e}? | how far does {e} run when it is full? | how long a trip does {e} manage without a break? | how many kilometres until {e} is empty? | what distance does {e} cover?
+ gets further in one go | drives more kilometres before it is empty | takes me further | has to stop less often
+ covers more distance | makes the longer trip without filling up
- does not get as far in one go | is empty sooner | drives fewer kilometres before it is empty | has to stop more often
- covers less distance | has to be filled up sooner

wading depth | centimetres | 20 90 5 | bigger/smaller
= water depth | fording depth | depth in water | maximum water depth
? how deep may the water be for {e}? | how deep can i drive {e} through water? | through how much water can {e} go? | how many centimetres of water can {e} take? | up to what depth can {e} cross a river? | how deep a puddle can {e} handle? | how high may the flood be for {e}? | how far into the water can i take {e}? | how deep a stream can {e} pass? | how many centimetres deep can {e} wade?
? how much water before {e} drowns? | how deep a ford is ok for {e}? | can {e} drive through a flood, how deep? | how far up may the water come on {e}? | the road is under water, how deep is fine for {e}? | how many centimetres of flood does {e} stand? | what depth of water is safe for {e}? | how deep may i go into the stream with {e}?
+ can go through deeper water | can cross the deeper river | handles the deeper puddle | stands more water
+ is safer in a flood | drowns later
- can only go through shallower water | gets wet inside sooner | handles only the smaller puddle | stands less water
- drowns sooner | is worse in a flood

top speed | kilometres an hour | 120 290 5 | higher/lower
= maximum speed | highest speed | peak speed | speed at the top end
? how fast is {e}? | how fast can {e} go? | what does {e} do flat out? | how quick can {e} drive? | how fast does {e} get? | what is the fastest {e} can drive? | what speed does {e} reach? | how many kilometres an hour can {e} do? | at full throttle, how fast is {e}? | how much speed does {e} have in it?
? how much can {e} do on the motorway? | what is the limit of {e} when i floor it? | how many km/h does {e} make? | how fast will {e} go at most? | what's the most {e} can do? | how speedy is {e}? | how quick is {e} when i put my foot down? | how many kilometres an hour at most in {e}?
+ is faster | can go faster | reaches more speed | wins flat out
+ is speedier | leaves the other behind
- is slower | cannot go as fast | reaches less speed | loses flat out
- is less speedy | falls behind at full throttle

engine power | horsepower | 60 450 5 | higher/lower
= motor power | power | performance | power of the engine
? how strong is the engine of {e}? | how many horses does {e} have? | how much horsepower does {e} have? | how powerful is {e}? | how many hp has {e}? | how much power is under the bonnet of {e}? | how strong is {e}? | what power does the motor of {e} have? | how much power does {e} bring? | how mighty is the motor of {e}?
? how much muscle has {e}? | how many horsepower are in {e}? | what does the engine of {e} put out? | how much punch does {e} have? | how many hp does the motor of {e} make? | how strong a motor is in {e}? | what output has {e}? | how much oomph does {e} have?
+ is more powerful | has more horses | has the stronger engine | has more power under the bonnet
+ has more muscle | puts out more hp | has more punch
- is less powerful | has fewer horses | has the weaker engine | has less power under the bonnet
- has less muscle | puts out fewer hp | has less punch

fuel use | litres | 3 15 0.1 | higher/lower
= fuel consumption | consumption | petrol use | consumption per hundred kilometres
? how much fuel does {e} burn? | how many litres does {e} need for a hundred kilometres? | how thirsty is {e}? | how much petrol does {e} drink? | how economical is {e}? | how many litres does {e} swallow? | what does {e} consume? | how much does {e} use on a hundred kilometres? | how many litres go through {e} per hundred? | how much gas does {e} guzzle?
? what does {e} need on the road? | how many litres does {e} burn per hundred? | how hungry is {e}? | how cheap is {e} to run, in litres? | how much fuel disappears in {e}? | what does {e} take for a hundred kilometres? | how frugal is {e}? | is {e} a guzzler, how many litres?
+ burns more fuel | is thirstier | drinks more petrol | is worse on petrol
+ is the bigger guzzler | empties the tank faster
- burns less fuel | is more economical | drinks less petrol | is better on petrol
- is more frugal | is cheaper to run

price | euros | 9000 98000 500 | higher/lower
= cost | list price | purchase price | sticker price
? how much does {e} cost? | what does {e} cost? | how many euros is {e}? | how expensive is {e}? | what do i pay for {e}? | how much money is {e}? | how much is {e} at the dealer? | what would {e} set me back? | for how much can i buy {e}? | how many euros do i need for {e}?
? how much cash do i need for {e}? | how dear is {e}? | what is on the price tag of {e}? | is {e} affordable, how many euros? | how many euros do they want for {e}? | how much would i spend on {e}? | what does the dealer ask for {e}? | what's {e} going for?
+ costs more | is more expensive | is dearer | takes more money to buy
+ has the bigger price tag | makes me spend more
- costs less | is cheaper | is easier on my wallet | can be had for less money
- is more affordable | has the smaller price tag | lets me spend less

length | centimetres | 280 690 5 | bigger/smaller
= overall length | total length | size from nose to tail | vehicle length
? how long is {e}? | how many centimetres long is {e}? | how long a garage does {e} need? | how much space does {e} take from front to back? | will {e} fit in the garage, how long is it? | how many centimetres does {e} have from nose to tail? | how long a parking space does {e} need? | what does {e} measure from bumper to bumper? | how big is {e} from front to back? | how many centimetres does {e} stretch?
? how much room does {e} need on the kerb? | how far is it from the nose of {e} to its tail? | how many centimetres from end to end is {e}? | does {e} fit on the ferry, how long is it? | how big a gap do i need to park {e}? | how stretched is {e}? | how short is {e}? | what is {e} from one end to the other?
+ is longer | needs the longer garage | takes more space to park | measures more from nose to tail
+ stretches further | needs the bigger gap to park
- is shorter | fits into the shorter garage | takes less space to park | measures less from nose to tail
- stretches less | is easier to park

turning circle | metres | 8 16 0.1 | bigger/smaller
= turning diameter | turning width | circle for turning | u-turn width
? how much room does {e} need to turn around? | how many metres does {e} need for a u-turn? | how tightly can {e} turn? | how wide must the road be to turn {e}? | how big a circle does {e} make? | how nimble is {e} when turning, in metres? | in how many metres can i turn {e} around? | what street width do i need for a u-turn in {e}? | how wide does {e} swing when it turns? | how small a circle can {e} drive?
? can i turn {e} in my street, how many metres? | how handy is {e} in narrow lanes, in metres? | how many metres does {e} need to face the other way? | how much street does {e} need to turn? | how sharply does {e} turn? | what do i need to swing {e} round? | how big a loop does {e} drive? | how agile is {e}, in metres?
+ needs more room to turn | makes the wider u-turn | is worse in tight streets | swings wider
+ makes the bigger loop | turns less sharply
- turns more tightly | makes the narrower u-turn | is better in tight streets | needs less room to turn
- makes the smaller loop | turns more sharply | is handier in narrow lanes

oil amount | litres | 2 9 0.1 | bigger/smaller
= oil capacity | amount of oil | oil quantity | engine oil volume
? how much oil goes into {e}? | how many litres of oil does {e} take? | how much oil does the engine of {e} hold? | how much oil do i buy for {e}? | how many litres of oil fit in {e}? | what amount of oil do i pour into {e}? | how much oil is in {e}? | how many litres do i pour in at an oil change of {e}? | how much oil do i need for {e}? | how many cans of oil for {e}, in litres?
? how many litres of oil are needed for {e}? | what do i fill in when i change the oil of {e}? | how much oil should i get for {e}? | how full of oil is {e}, in litres? | how many litres of lubricant for {e}? | how much fresh oil does {e} want? | how many litres does the oil pan of {e} hold? | how big a can of oil for {e}?
+ takes more oil | needs more litres of oil | holds more oil | has the thirstier engine for oil
+ has the bigger oil pan | wants more lubricant
- takes less oil | needs fewer litres of oil | holds less oil | gets by with less oil
- has the smaller oil pan | wants less lubricant

warranty | years | 2 10 1 | longer/shorter
= guarantee | warranty period | warranty time | cover | guarantee period
? for how many years is {e} covered? | how long is {e} under guarantee? | how many years of guarantee does {e} have? | how long does the maker stand behind {e}? | if {e} breaks, for how many years is the repair free? | how many years of warranty do i get with {e}? | when does the warranty of {e} run out? | how long am i covered if {e} fails? | for how long is {e} guaranteed? | how long do they fix {e} for nothing?
? how old may {e} be for a free repair? | if {e} gives up, how many years can i complain? | how many years can i claim on {e}? | for how long are repairs on {e} free? | how long does the dealer stand for {e}? | how many years of protection come with {e}? | until what age is {e} covered? | {e} broke, within how many years is it still free?
+ is covered for longer | comes with more years of guarantee | is guaranteed for longer | has more years of cover
+ can be repaired for free longer | is protected for more years
- is covered for fewer years | runs out of warranty first | comes with less guarantee | loses its cover sooner
- can be repaired for free less long | is protected for fewer years
"""),
    symptoms=s.symptoms("""
shows a yellow light | {e} has a yellow light on | there's a yellow light in {e} | a yellow lamp came on in {e} | {e} lights up yellow on the dashboard | the dash of {e} is yellow | a yellow warning is on in {e} | something yellow lit up in {e} | {e} has a yellow warning | a yellow light is on in {e} | {e} glows yellow at me
shows a red triangle | a red triangle came on in {e} | {e} has the red triangle lit | there's a red triangle on the dash of {e} | a triangle in red is showing in {e} | {e} warns me with a red triangle | i see a red triangle in {e} | {e} shows me a triangle in red | the red warning triangle is lit in {e} | red triangle in {e} | a red triangle popped up in {e}
pulls to the left | {e} drifts to the left | {e} doesn't go straight, it goes left | i have to steer against {e} because it goes left | {e} wanders left | {e} always wants to the left | the steering of {e} tugs left | {e} steers left by itself | {e} tugs to the left | {e} runs off to the left | let go of the wheel and {e} goes left
vibrates at speed | {e} shakes when i go fast | there is a vibration in {e} on the motorway | {e} trembles above a hundred | the wheel of {e} shakes at high speed | {e} wobbles when i drive fast | {e} judders on the motorway | {e} shudders when it is fast | everything in {e} trembles on the motorway | {e} vibrates on the highway | at high speed {e} shakes
starts slowly | {e} is hard to start | {e} takes long to start in the morning | {e} barely starts | the engine of {e} takes ages to start | {e} cranks for long before it runs | {e} won't start right away | {e} needs many tries to start | {e} is slow to start | {e} starts badly | it takes forever to get {e} started
squeals when braking | the brakes of {e} squeal | {e} makes a squeal when i brake | {e} screeches when i slow down | the brakes on {e} are shrieking | i hear squealing when i brake {e} | {e} squeaks under braking | {e} squeals at the lights | braking {e} makes a squeaking noise | {e} whines when it brakes | every time i brake {e} there is a squeal
smells of fuel | i smell petrol in {e} | there's a fuel smell in {e} | {e} stinks of gas | {e} smells like a petrol station | there are petrol fumes in {e} | it smells of fuel inside {e} | {e} has a smell of petrol | {e} reeks of fuel | i can smell gasoline in {e} | petrol smell in {e}
shows code 12 | {e} reports code 12 | code 12 is on the screen of {e} | {e} says code 12 | {e} gives me a code 12 | the display of {e} reads code 12 | code number 12 popped up in {e} | {e} has code 12 up | i get code 12 in {e} | code 12 on {e} | {e} stopped with code 12
shows code 31 | {e} reports code 31 | code 31 is on the screen of {e} | {e} says code 31 | {e} gives me a code 31 | the display of {e} reads code 31 | code number 31 popped up in {e} | {e} has code 31 up | i get code 31 in {e} | code 31 on {e} | {e} stopped with code 31
loses pressure | a tyre of {e} keeps going flat | {e} lost tyre pressure again | {e} has a slow puncture | a wheel on {e} is always soft | the tyres of {e} lose air | i have to pump up {e} every week | air is leaving the tyres of {e} | one wheel of {e} is flat every morning | {e} is losing air | the pressure in {e} keeps falling
blows warm air | the air in {e} won't get cold | the air conditioning of {e} is warm | the aircon in {e} does not cool | {e} won't cool down inside | only warm air comes out in {e} | the ac of {e} blows warm | {e} stays hot inside with the ac on | no cold air in {e} | the vents of {e} are warm | the cooling in {e} is dead, it is warm
will not lock | i can't lock {e} | {e} doesn't lock anymore | the doors of {e} stay open | {e} won't close with the key | the central locking of {e} fails | {e} does not lock when i press the key | locking {e} does not work | {e} stays unlocked | the lock of {e} won't catch | my key does not shut {e}
overheats | {e} gets too hot | the engine of {e} is boiling | the temperature needle of {e} is in the red | {e} is steaming under the bonnet | {e} runs hot | the motor of {e} overheated | {e} is too hot under the bonnet | steam comes out of {e} | {e} boils over | the temperature of {e} goes through the roof
drips oil | {e} is leaking oil | there's oil under {e} | {e} leaves oil spots on the drive | oil drips from {e} | {e} loses oil | i found an oil puddle beneath {e} | {e} has an oil leak | black drops under {e} | {e} drops oil on my garage floor | oil is coming out of {e}
jerks when shifting | {e} jerks when it changes gear | the gearbox of {e} is rough | {e} jumps between gears | shifting in {e} is jerky | {e} bucks on every gear change | there's a jolt in {e} when i shift | {e} lurches when it shifts | changing gear in {e} is bumpy | {e} kicks when the gear changes | the gears of {e} change with a jerk
rattles when cold | {e} rattles in the morning | there's a rattle in {e} when it is cold | {e} makes a rattling noise after a cold start | {e} clatters when it is cold | i hear rattling from {e} until it is warm | {e} rattles before it warms up | {e} clatters on cold mornings | before it is warm, {e} rattles | {e} rattles on a cold engine | {e} makes noise like nails in a tin when cold
flickers its headlights | the headlights of {e} flicker | the front lights of {e} go on and off | {e} has flickering lights | the beam of {e} is unsteady | the lamps at the front of {e} flash | the lights of {e} are flickering | the headlamps of {e} blink | the front lamps of {e} are not steady | {e} has blinking headlamps | the headlights on {e} keep flickering
has a soft brake pedal | the brake pedal of {e} is spongy | the brake of {e} feels soft | i can push the brake of {e} to the floor | the pedal in {e} goes down too far | braking {e} feels mushy | the brake pedal of {e} gives way | the brakes of {e} are spongy | my foot goes all the way down when i brake {e} | {e} has a mushy brake | the pedal of {e} is too soft
"""),
    actions=s.words("""
check the oil | fill in coolant | change the fuse | have the wheels balanced | replace the key battery | stop at once | clean the contacts | drive to a workshop | replace the filter | tighten the fuel cap | reset the computer | check the tyres | charge the battery | call road service | let the engine cool | bleed the brakes | renew the pads | grease the hinges | change the spark plugs | have the steering set | clear the fault memory | refill the gas
"""),
    settings=s.settings("""
seat position | number
= seat memory | seat setting | position of the seat
? which seat memory is right for {o}? | how is the seat set for {o}? | which seat button do i press for {o}? | where does the seat go for {o}? | which memory slot holds the seat for {o}? | on what number is the seat for {o}? | which number moves the seat right for {o}?
? what number is the seat memory for {o}? | which of the seat slots is for {o}? | how do i put the seat for {o}? | what do i press so the seat fits for {o}?

cabin temperature | degrees
= temperature in the car | inside temperature | climate setting
? how warm is the cabin for {o}? | what do we heat the car to for {o}? | how many degrees is it inside for {o}? | how warm do we keep the car for {o}? | to how many degrees is the climate set for {o}? | what temperature does the car have for {o}? | how cold may it be in the car for {o}?
? what do i set the climate to for {o}? | how many degrees do we like in the car for {o}? | how hot is the inside for {o}? | what is the heater in the car at for {o}?

departure time | clock
= time of departure | leaving time | start time
? when does the car have to be ready for {o}? | what time do we leave for {o}? | when do we set off for {o}? | at what time does the car start for {o}? | when do we drive off for {o}? | how early do we go for {o}? | when is it time to leave for {o}?
? at what hour do we get going for {o}? | when must the car be warm for {o}? | when do we need to be off for {o}? | what time is the start for {o}?

radio volume | percent
= music volume | volume of the radio | sound level
? how loud is the radio for {o}? | how loud may the music be for {o}? | at what volume is the radio for {o}? | how far is the radio turned up for {o}? | how loud do we play music for {o}? | to what percent is the sound set for {o}? | how quiet is the radio for {o}?
? how high do we turn the radio for {o}? | what volume is ok for {o}? | how much sound is there in the car for {o}? | how many percent is the radio at for {o}?

garage code | code
= code for the garage | gate code | number code of the garage
? which code opens the garage for {o}? | what do i type at the gate for {o}? | what is the code at the garage for {o}? | which digits open the gate for {o}? | how do i get into the garage for {o}, what code? | which number do i enter at the garage for {o}? | what are the four digits of the garage for {o}?
? what pin is it at the garage for {o}? | what are the numbers for the gate for {o}? | what do i key in at the garage for {o}? | which code lets me in the garage for {o}?

charge limit | percent
= charging limit | battery limit | limit for charging
? how full do we charge for {o}? | where does charging stop for {o}? | to what percent do we charge for {o}? | how full should the battery be for {o}? | at how many percent does the charger stop for {o}? | how far up do we charge the car for {o}? | when is the battery full enough for {o}, in percent?
? how much do we put in the battery for {o}? | when do we stop charging for {o}? | up to how many percent do i plug in for {o}? | what is the battery filled to for {o}?

parking spot | number
= parking space | parking place | parking number
? where do we park for {o}? | which spot is ours for {o}? | on which space does the car stand for {o}? | where is the car left for {o}? | what number is the parking for {o}? | where do i leave the car for {o}? | which parking bay do we have for {o}?
? which bay do i pull into for {o}? | where do i find the car for {o}? | what number is the space for {o}? | where should the car stand for {o}?

service day | Monday/Tuesday/Wednesday/Thursday/Friday/Saturday
= day of the service | workshop day | garage day
? on which day is the service for {o}? | when do we go to the workshop for {o}? | which weekday is the service for {o}? | on what day is the car serviced for {o}? | what day did we book the workshop for {o}? | which day of the week is the check for {o}? | when is the mechanic booked for {o}?
? what day do i bring the car in for {o}? | which day is the car at the garage for {o}? | when does the mechanic look at the car for {o}? | what day is the inspection for {o}?

driving mode | comfort/sport/eco/snow/sand/town
= drive mode | mode | drive setting
? which mode do we drive in for {o}? | what mode is the car in for {o}? | how is the drive set for {o}? | which drive programme is on for {o}? | into what mode do i put the car for {o}? | which mode did we choose for {o}? | do i switch to sport or eco or what for {o}?
? what do i turn the mode dial to for {o}? | which setting do i drive in for {o}? | what mode suits us for {o}? | how should the car drive for {o}, which mode?

radio station | Radio One/Jazz FM/Classic Plus/News Live/Folk Wave/Rock Mix
= station | favourite station | channel on the radio
? which station do we play for {o}? | what do we listen to for {o}? | what radio is on for {o}? | which channel did we save for {o}? | what plays in the car for {o}? | which station should i tune in for {o}? | what radio channel is the favourite for {o}?
? what should the car radio play for {o}? | which station is the favourite for {o}? | what do i put on the radio for {o}? | which broadcaster is on for {o}?

rest stop | minutes
= break | driving break | length of the break
? how long is the break for {o}? | how many minutes do we rest for {o}? | how long do we stop on the way for {o}? | how much of a pause did we plan for {o}? | for how many minutes do we halt for {o}? | how long a stop do we take for {o}? | how many minutes of break did we agree on for {o}?
? how long is the pause for {o}? | how many minutes off the road for {o}? | how much rest do we take for {o}? | how long do we stretch our legs for {o}?

dashboard colour | white/amber/sky blue/red/pale green/violet/ivory/coral
= colour of the dashboard | dash colour | cockpit colour
? what colour is the dashboard for {o}? | which colour did we pick for {o}? | in which colour does the cockpit glow for {o}? | what colour are the dials for {o}? | how is the dash coloured for {o}? | what shade is the dashboard for {o}? | which colour should the instruments have for {o}?
? which hue has the dashboard for {o}? | what do we tint the cockpit for {o}? | how is the instrument panel lit for {o}, what colour? | what colour do the gauges glow for {o}?
"""),
    owners=s.words("""
the commute | the school run | the holiday trip | the weekend | the airport | the orchard | the dog | night drives | the market | the lake house | Mia | Tom | Grandpa | Jonas | Lena | Omar | the learner | the choir | the ski week | the ring road | Ravi | Aunt Ida | the ferry port | Yuki | the garden centre | Nora | the football club | the winter
"""),
    types=s.words("""
hatchback | estate | van | coupe | pickup | roadster | minibus | crossover | camper | saloon | cabrio | buggy | wagon | scooter | truck | limousine | tricycle | jeep | trike | sedan | convertible | lorry | microcar | quad
"""),
    general=s.general("""
ABS keeps the wheels from locking. | keeps the wheels from locking | what does ABS do? | what is ABS for? | what is the use of ABS? | how does ABS help me? | what does ABS mean for the wheels? | tell me what ABS does | why does my car have ABS?
A tyre needs 1.6 millimetres of tread. | 1.6 millimetres | how much tread does a tyre need? | when is a tyre too worn? | how many millimetres of tread must a tyre have? | how deep should the tread be? | what tread depth is allowed? | how much profile does a tyre need? | what is the least tread a tyre may have?
Winter tyres stay soft in the cold. | soft in the cold | why use winter tyres? | what is special about winter tyres? | why do i need winter tyres? | what do winter tyres do better? | what makes winter tyres good? | why are winter tyres better in snow? | how do winter tyres differ from others?
Tyre pressure is measured on cold tyres. | cold tyres | when do i measure tyre pressure? | are tyres measured warm or cold? | how should the tyres be when i measure pressure? | measure tyre pressure cold or warm? | is tyre pressure checked on cold tyres? | on what tyres is the pressure measured? | should i check the pressure before or after driving?
Coolant carries heat away from the engine. | heat away from the engine | what does coolant do? | what is coolant for? | why does an engine need coolant? | what is the job of coolant? | what does coolant carry away? | tell me about coolant | why is there coolant in a car?
Brake fluid should be changed every two years. | every two years | how often is brake fluid changed? | when is new brake fluid due? | after how many years do i change brake fluid? | how often should i change the brake fluid? | when does brake fluid need changing? | how many years does brake fluid last? | how long does brake fluid stay good?
Regenerative braking charges the battery. | charges the battery | what is regenerative braking? | what does regenerative braking do? | what is regenerative braking for? | why is regenerative braking useful? | how does regenerative braking help? | tell me about regenerative braking | where does the energy of regenerative braking go?
A heat pump warms the cabin with less power. | with less power | what does a heat pump do in a car? | why does an electric car have a heat pump? | what is a heat pump for? | what does a heat pump do? | why is a heat pump useful? | how does a heat pump help a car? | is a heat pump in the car any good?
Cold weather lowers the range of an electric car. | lowers the range | what does cold do to an electric car? | how does winter change electric range? | what happens to an electric car in the cold? | does cold weather change the range? | how is electric range in cold weather? | what does frost do to electric range? | why do i get less far in winter?
A spare wheel should be driven at 80 at most. | 80 at most | how fast may i drive on a spare wheel? | what is the limit on a spare wheel? | how fast can i go with a spare wheel? | what is the top speed for a spare wheel? | at what speed may a spare wheel be driven? | driving on a spare wheel, how fast? | what speed is ok with the spare wheel on?
Lane assist steers gently between the lines. | gently between the lines | what does lane assist do? | what is lane assist? | how does lane assist work? | what is lane assist for? | why have lane assist? | tell me about lane assist | what happens when lane assist is on?
Cruise control keeps the speed steady. | keeps the speed steady | what does cruise control do? | what is cruise control? | what is cruise control for? | how does cruise control work? | how does cruise control help? | tell me about cruise control | why would i turn on cruise control?
A child seat belongs in the back. | in the back | where does a child seat belong? | where do i put a child seat? | where should a child seat be? | in the front or back with a child seat? | where to fit a child seat? | where is the place for a child seat? | which row is right for a child seat?
A warning triangle stands 100 metres behind the car. | 100 metres behind | where does a warning triangle stand? | how far behind goes the warning triangle? | where do i put the warning triangle? | how many metres behind the car is the warning triangle? | how far away do i set the warning triangle? | where does the triangle go? | where do i place the triangle after a breakdown?
Diesel and petrol must not be mixed. | must not be mixed | can diesel and petrol be mixed? | may i mix diesel and petrol? | is it ok to mix petrol and diesel? | can i put diesel in with petrol? | what if i mix diesel and petrol? | petrol and diesel together, is that fine? | is some petrol in a diesel tank a problem?
The octane number says how well fuel resists knocking. | resists knocking | what is the octane number? | what does the octane number say? | what does octane mean? | what is octane? | what is the octane number for? | tell me about the octane number | what does 95 at the pump mean?
A cabin filter cleans the air inside. | cleans the air inside | what does a cabin filter do? | what is a cabin filter for? | what is the use of a cabin filter? | why does a car have a cabin filter? | what does the cabin filter clean? | tell me about the cabin filter | why change the cabin filter?
Worn wipers leave streaks on the glass. | streaks on the glass | how do i notice worn wipers? | what do worn wipers do? | how can i tell that wipers are worn? | what is the sign of worn wipers? | how do old wipers behave? | how do i see that wipers are worn? | when do my wipers need replacing?
A turbo presses more air into the engine. | more air into the engine | what does a turbo do? | what is a turbo? | what is a turbo for? | how does a turbo work? | why does an engine have a turbo? | what does a turbo press into the engine? | where does a turbo get the extra power from?
A timing belt keeps the valves in step. | keeps the valves in step | what does a timing belt do? | what is a timing belt? | what is a timing belt for? | why does an engine have a timing belt? | what is the job of the timing belt? | tell me about timing belts | what would a torn timing belt upset?
A catalytic converter cleans the exhaust. | cleans the exhaust | what does a catalytic converter do? | what is a catalytic converter? | what is a catalytic converter for? | why does a car have a catalytic converter? | what does the catalytic converter clean? | what is the use of a catalytic converter? | what happens to fumes in the catalytic converter?
AdBlue makes diesel exhaust cleaner. | makes diesel exhaust cleaner | what does AdBlue do? | what is AdBlue? | what is AdBlue for? | why does a diesel need AdBlue? | what is the use of AdBlue? | tell me about AdBlue | why do i have to top up AdBlue?
A first aid kit must be in every car. | in every car | which cars need a first aid kit? | where must a first aid kit be? | do i need a first aid kit in my car? | must i carry a first aid kit? | is a first aid kit required in a car? | which car must have a first aid kit? | am i obliged to have bandages on board?
Fog lights are for sight below 50 metres. | below 50 metres | when may i use fog lights? | what are fog lights for? | when do i turn on fog lights? | at what sight are fog lights allowed? | when are fog lights allowed? | in how much fog do i use fog lights? | how thick must the fog be for the rear fog lamp?
The distance to the car ahead should be two seconds. | two seconds | how much distance should i keep to the car ahead? | what is a safe distance? | how far behind the car ahead should i be? | how many seconds of distance should i keep? | what distance to the car in front? | how close may i follow a car? | how big a gap do i leave in traffic?
A car battery lasts about five years. | about five years | how long does a car battery last? | how many years does a car battery last? | when is a car battery too old? | what is the lifetime of a car battery? | after how many years do i need a new car battery? | when should a car battery be replaced? | how old does the starter battery get?
"""),
    procedures=s.procedures("""
jump-start | jump-start {e} | give {e} a jump-start | start {e} with a cable | get {e} going with a flat battery
wash | wash {e} | get {e} clean | clean {e} | give {e} a wash
fit a roof box on | fit a roof box on {e} | put a roof box on {e} | mount a roof box on {e} | get a box onto the roof of {e}
change a wheel on | change a wheel on {e} | swap a wheel on {e} | put the spare wheel on {e} | replace a flat wheel on {e}
tow | tow {e} | pull {e} away | take {e} on the rope | drag {e} to the garage
change the oil of | change the oil of {e} | give {e} new oil | do an oil change on {e} | put fresh oil into {e}
hitch a trailer to | hitch a trailer to {e} | hook a trailer to {e} | couple a trailer to {e} | hang a trailer on {e}
pair a phone with | pair a phone with {e} | connect my phone to {e} | link my phone with {e} | get bluetooth going in {e}
put snow chains on | put snow chains on {e} | fit snow chains to {e} | get the snow chains onto {e} | make {e} ready for snow with chains
replace a bulb of | replace a bulb of {e} | change a light bulb on {e} | put a new headlight bulb into {e} | swap a lamp of {e}
charge | charge {e} | load up the battery of {e} | fill the battery of {e} | put {e} on the charger
park away | park away {e} | lay up {e} for the winter | put {e} into winter storage | store {e} for some months
"""),
    steps=s.words("""
pull the handbrake | open the bonnet | switch off the engine | loosen the bolts | put on the gloves | turn the key twice | close the flap | wait for two minutes | clamp the red cable | press the start button | lift the cover | check the level | fold down the seat | put the jack in place | slide in the bar | wipe the rim | remove the cap | choose the menu | lower the window | shift into neutral | light the hazard lights | pull out the rod | lock the clip | drive one metre forward | screw in the eye | lay down the mat | ring the service line | turn the wheel to the right
"""),
)
