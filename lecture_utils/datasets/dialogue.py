"""Small stories with much talk, told from templates, and which of their letters are inside quotes.

Everyday scenes in a harbour town or a mountain village: two to four people and one matter (a lost
kettle, a goat in the chapel, a soup). Speech stands in straight double quotes, closed in the
paragraph that opened them. The news of the town is told and said in the same words, so that there
only the quotation marks show whether a letter is inside. All of it was written for this course.

A template is a line. {slot} is filled with a word of that kind, [one|or the other] with one of
these; ~ is a place where a speaker may be interrupted by "said Mira"; // comes between the lines
of two speakers. {X} does what is told (he, his, him follow), {Y} is with X, {you} is spoken to.
"""

import re
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

# Words -------------------------------------------------------------------------------------------


def _words(text):
    """The words or phrases between commas and line ends."""
    return tuple(word.strip() for line in text.splitlines() for word in line.split(",") if word)


def _lines(text):
    return tuple(line.strip() for line in text.strip().splitlines())


SHE = _words("Mira,Hanna,Elsa,Greta,Ruth,Nell,Ida,Clara,Edith,Wilma,Petra,Sonja,Dora,Lotte,Agnes")
HE = _words("Tom,Jonas,Emil,Peter,Anton,Felix,Hugo,Oskar,Walter,Simon,Karl,Edgar,Bruno,Leo,Viktor")
WORDS = {
    "aunt": _words("Aunt Sigrid,Aunt Bertha,old Tove,Widow Marsh,Aunt Philippa,old Mother Crane"),
    "uncle": _words("Captain Holt,Uncle Otto,old Magnus,the mayor,Uncle Caspar,Sergeant Pym"),
    "sky": _words("""grey,windy,bright,mild,damp,quiet,blustery,golden,cool,drizzly,clear,raw,hazy
        gusty,soft,sunny,misty,chilly,pale,restless,ordinary,uncommonly fine"""),
    "day": _words("Monday,Tuesday,Wednesday,Thursday,Friday,Saturday,Sunday"),
    "hour": _words("morning,afternoon,evening"),
    "season": _words("spring,summer,autumn,winter"),
    "number": _words("two,three,four,five,six,seven,eight,nine,eleven,twelve,twenty,thirty"),
    "oclock": _words("two,three,four,five,six,seven,eight,nine,ten,eleven,twelve"),
    "colour": _words("green,blue,yellow,white,red,black,purple,brown,orange,pink"),
    "thing": _words("""kettle,lantern,umbrella,teapot,hammer,trumpet,ladle,spyglass,wooden spoon
        brass key,ledger,oilskin hat,left boot,egg basket,alarm clock,red scarf,tin whistle,saw
        walking stick,pocket watch,sugar bowl,silver thimble,paper kite,toolbox,coffee mill
        fishing rod,velvet cushion,inkwell,butter dish,dinner bell,wheelbarrow,almanac"""),
    "tool": _words("""bucket,basket,rope,broom,hammer,brush,needle,spade,sack,lamp,knife,mug,tray
        plate,box,jar,pan,ladder,file,pencil,newspaper,cloth"""),
    "furniture": _words("""stove,dresser,cupboard,clock,bread bin,piano,woodpile,coal scuttle
        armchair,bookcase,rain barrel,trunk"""),
    "machine": _words("""pump,tower clock,handcart,water wheel,organ,crane,cable winch,music box
        windmill,printing press,threshing machine,coffee roaster,merry-go-round,cider press,lathe
        ferry engine,knitting machine,ice cream machine"""),
    "dish": _words("""plum cake,fish soup,onion pie,bean stew,cheese tart,seed cake,honey loaf
        barley soup,apple pudding,pea soup,mutton pie,ginger cake,potato salad,trout pie"""),
    "food": _words("""bread,cheese,butter,honey,smoked fish,ham,porridge,sausage,pickle,toast,jam
        plum tart,cold pudding,gingerbread,turnip"""),
    "spice": _words("salt,pepper,nutmeg,cinnamon,vinegar,mustard,thyme,garlic,caraway,lemon"),
    "animal": _words("""goat,goose,mule,heron,pig,donkey,sheep,owl,rooster,calf,otter,turkey,badger
        duck,pony"""),
    "goods": _words("""barrel,wool blanket,copper pot,oak chair,harpoon,mirror,cuckoo clock,rug
        bicycle,bathtub,feather bed,sledge,saddle,tablecloth,birdcage,flagpole,globe"""),
    "music": _words("tuba,fiddle,flute,drum,cello,accordion,trombone,bagpipe,harp,clarinet,oboe"),
    "far": _words("Ostrand,Belmar,Kesselby,Varnholm,Lindhaven,Port Emery,Skagby,the capital"),
    "relative": _words("cousin,aunt,uncle,sister,brother,niece,nephew,godmother,grandfather"),
    "feast": _words("""lantern fair,harvest supper,spring dance,bell ringers' picnic,midsummer feast
        cheese race,regatta,flower parade,pancake evening,winter concert"""),
    "mood": _words("""pleased,puzzled,tired,proud,hopeful,doubtful,hungry,cross,sleepy,alarmed
        thoughtful,embarrassed,cheerful,gloomy,relieved,offended,curious,content"""),
    "how": _words("""quietly,slowly,gently,firmly,kindly,drily,sadly,politely,at once,after a while
        cheerfully,gravely,proudly,carefully,patiently,at last,with dignity,under {his} breath"""),
    "sign": _words("""Fresh eggs,No fishing,Back soon,Mind the goose,Do not ring,Closed for soup
        Wet paint,Please knock twice,Beware of the step,Half price,Boats for hire,Not for sale
        Mules only,Gone to lunch,Good as new,No whistling,Best honey,Ask next door,Open most days
        Keep left,No singing after ten,Private,Rooms with a view,Herring,Tea and advice"""),
}
HARBOUR = {
    "town": _words("Saltby,Port Ellery,Gull Haven,Wickmouth,Sandry,Lowhaven"),
    "trade": _words("""fisher,ferry pilot,net mender,harbour master,boatbuilder,lighthouse keeper
        sailmaker,ship's cook,ropemaker,customs officer,fishmonger,tugboat captain,chandler"""),
    "place": _words("""quay,lighthouse,fish market,net loft,slipway,customs house,boatyard,pier
        harbour wall,ferry landing,rope shed,smokehouse,salt store"""),
    "coach": _words("ferry,mail boat,steamer,packet boat"),
    "wild": _words("gulls,cormorants,terns,sandpipers,wild geese"),
    "view": _words("sea,bay,breakwater,islands,mudflats"),
}
VILLAGE = {
    "town": _words("Highfold,Upper Tarn,Stonemark,Alderbrig,Fernhead,Kettlecrag"),
    "trade": _words("""shepherd,baker,miller,beekeeper,carpenter,letter carrier,cheese maker,cobbler
        schoolteacher,blacksmith,mule driver,clockmaker,innkeeper,woodcutter,tailor"""),
    "place": _words("""bakery,village well,sawmill,dairy,chapel,upper pasture,mule stable,inn,mill
        schoolhouse,smithy,stone bridge,hay barn,bell tower"""),
    "coach": _words("mail coach,cable car,post bus,milk cart"),
    "wild": _words("crows,finches,swallows,bees,jackdaws"),
    "view": _words("valley,glacier,peaks,upper meadows,pine forest"),
}

# What is told -------------------------------------------------------------------------------------

OPENING = _lines("""
It was a {sky} {hour} in {town}.
On a {sky} {hour} in {season}, {town} smelled of [smoke|tar|wet wool|bread|hay|coffee].
The {hour} was {sky}, as {season} often is in {town}.
One {sky} {hour} the {coach} came to {town} [an hour late|half empty|without its whistle].
Nothing much had happened in {town} since {day}, and it was a {sky} {hour}.
It was {day}, {sky} and slow, and the clock in {town} had just struck {oclock}.
""")
MEETING = _lines("""
{X}, the {job}, was on the way to the {place} when {Y} called from [a window|across the road].
{X}, who was the {job}, met {Y} by the {place}.
At the {place} stood {X}, the {job}, with [cold hands|an empty {tool}|a {tool} and no plan].
{X}, the {job} of {town}, had been up [for hours|since dawn], and {Y} had come to [help|see|advise].
Behind the {place} {X}, the best {job} in {town}, sat on a box, and {Y} leaned on the wall.
""")
JOINING = _lines("""
{X} was there as well, because of the {food}.
{X} had come along to watch.
{X} joined them, carrying a {tool}, and asked what was the matter.
{X}, who never missed anything, was already there.
""")
SCENERY = _lines("""
The {wild} were [quarrelling|busy|making their usual noise] above the {place}.
Smoke rose from the chimneys and leaned a little towards the {view}.
Somewhere behind the {place} a [door|shutter|gate] [banged|creaked] [once|twice|all day].
The light lay on the {view} like [butter|a cloth|a coin].
A cart went by with {number} barrels and {number2} children on it.
The bell at the {place} rang {oclock}, although it was not {oclock} yet.
From the {place} came the smell of {food}.
Two [boys|girls|dogs] ran past, [followed|chased] by [a hoop|a goose|the {trade}'s hat].
The wind turned over a page of somebody's [newspaper|songbook|cookbook] and read on.
It began to [rain|drizzle|blow], thought better of it, and stopped [at {oclock}|at once|altogether].
The {view} could be seen from here, and so could {aunt}'s washing.
A {colour} cat slept on the step and let the world go round it.
The {coach} gave a long whistle, then a short one, like an afterthought.
A feather danced about in front of the {place}.
Nobody was at the {place} but a {animal}, and it was only looking.
Behind the {place} somebody was practising the {music}, always the same {number} notes.
The road to the {place} was [dry|wet|steep], and {number} [snails|hens|sparrows] were using it.
{aunt} waved from the {place} with a {thing}.
""")
ACTION = _lines("""
{X} put down the {tool} and wiped {his} hands on {his} [apron|trousers|sleeves].
{X} looked {mood}.
{X} scratched {his} [chin|ear|neck] with [a pencil|a spoon|a key].
{X} sat down on an upturned [bucket|crate|boat|barrel|tub], which [creaked|tipped|was wet].
{X} took some {food} and gave half of it to {Y}.
{X} counted to {number}, first aloud and then again to {himself}.
{X} took off {his} [hat|cap|scarf] and put it on again.
{X} poured tea for everybody, {himself} last.
{X} looked at {Y} for a long time.
{X} picked up a {tool}, found it too heavy, and chose the {tool2}.
{X} laughed until {he} had to hold on to the {furniture}.
{X} wrote something on {his} cuff with a stub of pencil.
{X} walked to the door, looked towards the {place}, and came back.
{X} felt {mood}, but {he} tried not to show it.
{X} leaned against the {furniture} and thought about supper.
{X} nodded [{number} times|slowly|as if nothing else were possible].
{X} shook {his} head and went on sweeping.
{X} rolled up {his} sleeves and began at the wrong end.
{X} took an apple out of {his} pocket and polished it.
{X} turned [red|pink|pale] and looked at {his} boots.
{X} drew a line in the dust with {his} foot.
{X} sighed so deeply that the {wild} flew up.
{X} had a cousin in {far} who would have known what to do.
{X} borrowed {Y}'s {tool} and did not give it back.
{X} listened with {his} head on one side.
{X} opened the window, and the noise of the {wild} came in.
""")
NEWS = _lines("""
{aunt} painted her door {colour} [on {day}|last week|again],~ and now nobody can find the house.
{uncle} won a {animal} at cards on {day} and lost it again before supper.
The {coach} was late because the driver had stopped to [pick plums|admire a rainbow|wind a clock].
{aunt} bought a {goods} in {far}, and it would not go through her door.
{uncle} slept through the whole of {day},~ which surprised no one.
There was a {animal} at the {place} on {day}, and it had to be asked twice to leave.
The {trade} of {far} came to look at the {place} and went home thoughtful.
In {far}, they say, the cows are [larger|cleverer|more polite] than here.
On {day} the children of {town} tied a {thing} to a cow and led it around the {place}.
{aunt} has not spoken to {uncle} since the {feast} because of a {dish}.
The new {machine} at the {place} worked for [an hour|a day|nearly a week],~ and then it stopped.
{uncle} once walked to {far} and back for a [button|loaf|bet] and never said why.
One winter {aunt} slid all the way down to the {place} on a [tray|shovel|saucepan lid].
Somebody left {number} [herrings|cabbages|candles] on the steps of the {place}.
The road to {far} was closed on {day} because a {animal} lay down in it.
{aunt} taught her {animal} to ring the bell when it wanted {food}.
The {place} was swept on {day},~ for the first time since the {feast}.
{uncle} wore a {colour} [hat|waistcoat|scarf] to the {feast} and was much admired.
{aunt} put too much {spice} into her {dish}, and the {trade} had to be carried home.
The {animal} of the {trade} followed the {coach} to {far} and came back with a ribbon.
{uncle} built a {goods} out of an old {goods2},~ and it was neither.
Nobody in {town} had seen the {trade} since {day}, and nobody had asked.
At the {feast} a {thing} fell into the {dish},~ and everybody ate around it.
""")
ASIDE = _lines("""
(The {animal} belonged to {aunt}, but it had never agreed to this.)
(It was not the first time.)
({uncle} told it differently, but {uncle} had not been there.)
(In {town} this counts as a hurry.)
(The {tool} had been there for {number} years, and nobody knew whose it was.)
(There are {number} ways to the {place}, and all of them go uphill.)
(Nobody in {town} has ever been to {far}, except by mistake.)
(That was on a {day}, when most things in {town} happen.)
""")
SIGNS = _lines("""
A board that said "{sign}" hung [crooked|upside down|by one nail] at the {place}.
At the {place} somebody had painted "{sign}" in {colour} letters, and under it "{sign2}."
The word "{music}" was spelled in {number} different ways on the notice by the {place}.
The old boat by the {place} was called "[Patience|Late Again|Second Thought|Good Intentions]."
A card on a post by the {place} said "{sign}," as it had said for {number} years.
{X} read the notice that said "{sign}" and [did not believe it|copied it down|shrugged].
What {uncle} called "a [little|short|pleasant] [walk|nap|speech]" took {number} hours.
""")
RETORT = _words("""Really?,Again?,Never!,Nonsense.,I see.,Hm.,Oh no!,How odd.,Naturally.
    That's true.,Go on.,Not here.,You don't say!,Poor thing.,Every time.,What a pity.,On a {day}?
    At last!,That's news to me.,I knew it!,As usual.,That's all?,Good.,Thank goodness!,Well I never!
    I thought so.,Since when?,Says who?,It's possible.,Quite so.,And then?
    Ah.,If you like.,Wonderful!,So they say.,In this weather?,Good heavens!,Perhaps.,I doubt it.""")
STARTER = _lines("""
Listen, {you}.
Let me tell you something.
Sit down, {you}.
You may laugh.
Don't interrupt me.
I've been thinking, {you}.
It's like this.
Now, don't tell anybody.
Well, {you}, since you ask.
Wait a moment!
I'll say it once.
Do you want to know what I think?
""")
LEAD = _lines("""
There's one thing that I don't understand, {you}.
Excuse me for asking, {you}.
Be honest with me, {you}.
I'm only asking because {aunt} will ask me.
I don't want to be rude on a {day}.
There was something I wanted to ask.
You needn't answer if you're {mood}.
Let me see if I've got this right.
""")
REMARK = _lines("""
I've said so since {day}, and nobody has listened.
Everybody at the {place} knows that.
You can ask {uncle}, if he's awake.
That's how it is in {season}, {you}.
My {relative} would have laughed about it for {number} days.
I'd have told you on {day}, but you were eating.
It was the same with the {thing} last {season}.
One gets used to it, as one gets used to {food}.
And I'm the only one in {town} who says it aloud.
In {far} they'd put up a statue for that.
I read it in the newspaper that was wrapped around my boots.
It isn't much, {you}, but it's more than {uncle} knows.
I mean that kindly, as {aunt} would say.
Don't look so {mood} about it.
You know what they say about that at the {place}.
I'll think about the rest when I've had some {food}.
""")
OPINION = _lines("""
I've lived in {town} for {number} years,~ and I've never seen the like.
People say that {season} is the best time for it,~ but people say a lot when they're warm.
My {relative} always said~ that a {tool} in the house is worth {number} in {far}.
I don't mind the {wild},~ but I do mind being looked at while I eat my {food}.
If you ask me, {you},~ it all began on the day when they moved the {furniture}.
Nobody can say that I didn't warn you, because I did, on {day} and on {day2}, once in writing.
You can't buy {food} in this town after {oclock},~ not even for money.
A person needs {number} hours of sleep, a dry hat, and somebody to talk to.
I'd rather cross the {view} in a barrel than sing at the {feast} again.
Some day I'll go to {far}, and I'll send you all a card with a {animal} on it.
""")
CHATTER = _lines("""
Would you like some {food}? // No, thank you. I had some on {day}. // That was a different {food}.
Is that {aunt} by the {place}? // It's {uncle}. // In a {colour} shawl?
What time is it, {you}? // It's [nearly|long past|not quite] {oclock}.
Did you hear about {uncle}? // What has he done now? // He has [joined the band|bought a {goods}].
You look {mood}, {you}. // I'm not {mood}. This is how I look.
Has the {coach} come in? // It has come in and gone out again. // Without us?
Why is there a {animal} at the {place}? // It's waiting for {aunt}. It always does on a {day}.
Mind the {tool}! // What {tool}? // That one.
Where were you on {day}, {you}? // I was in {far}. It rained. // It always rains in {far}.
Can you keep a secret? // No. // Then I'll tell {aunt}. She can't hear.
Don't sit there! // Why not? // It's [wet|the {animal}'s place|only painted].
I'm hungry. // You're always hungry. There's {food} in the {tool}.
""")


class _Matter(NamedTuple):
    """What a scene is about: X has the trouble, Y hears of it."""

    what: str  # the kind of word that {what} stands for, the same one in the whole scene
    begin: tuple[str, ...]  # told of X
    talk: tuple[str, ...]  # lines of X and Y in turn; X begins, unless marked "Y: "
    tell: tuple[str, ...]  # sentences of long speeches, in any order
    last: tuple[str, ...]  # how the talk ends
    end: tuple[str, ...]  # told of X


def _matter(what, text):
    """The five parts stand in this order, an empty line between them."""
    return _Matter(what, *map(_lines, text.split("\n\n")))


MATTERS = (
    _matter("thing", """
{X} had lost {his} {what}, and the whole of {town} had heard about it.
{X} had looked for {his} {what} in {number} places, and in one of them twice.
The {what} was missing, and {X} was sure that it had been [at home|by the door] on {day}.

Have you seen my {what}? // Not since {day}, when you lent it to {aunt}. // I never lend it.
Y: Did you look behind the {furniture}? // I looked behind it,~ under it and in it. There's {food}.
Y: What does it look like? // Like a {what}! What else should it look like?
Somebody has taken it. // Who would take an old {what}? // Somebody without one.
Y: When did you have it last? // On {day}, at the {place}. I remember that it was in my way.
It was a present from my {relative}. // Then buy another and don't tell. // I couldn't do that.
Y: Is it the {colour} one with the dent? // It isn't a dent. It's a mark of [honour|use|age].
I shall ask at the {place}. // They'll only ask you whose it is. // It's mine! // So prove it.

I once lost a {thing} for a whole {season},~ and all the time it was in my other hand.
Things don't get lost, {you},~ they only go where it's quieter.
If I were a {what},~ I'd be behind the {furniture} or at the {place}.
My {relative} kept everything on strings, and so nothing was ever lost, but nobody could move.
First you look where it should be, then where it could be, and then you ask {aunt}.
The last time something was missing in {town},~ it had been eaten by a {animal}.
I had it when I came from the {place}, because I hit my head with it.
I don't say that it was stolen, {you}, but {uncle} has been whistling since {day}.

There it is! // Where? // Where it always is. // That's the last place where I'd have looked.
Y: What's that under your arm, {you}? // That's my {what}. Oh.
Y: {uncle} says it was at the {place} all week. // Then why didn't he say so? // You didn't ask him.

{X} hung a note on the {what} that said "Here," and slept well.
{X} carried the {what} home in both arms, and {he} was seen to talk to it.
{X} promised never to lose the {what} again, and {he} kept {his} word until {day}.
"""),
    _matter("machine", """
The {what} had stopped, and {X} had been asked to mend it because {he} had once mended a spoon.
An hour later {X} lay under the {what}, and only {his} boots could be seen.
Since {day} the {what} had made a noise like a {animal}, and {X} had come to listen to it.

Hand me the [big|small|other] {tool}, {you}. // This one? // No,~ that one is for the tea.
Y: Is it broken? // It isn't broken. It's resting. // It's smoking, {you}. // Resting and smoking.
Y: Did it always have {number} wheels? // It has too many now,~ so one of them can't be needed.
Turn the handle! // Which way? // The other way!
Y: How long will it take? // An hour. // You said that on {day}. // It was true on {day}, too.
There's a {thing} in it! // How did that get in? // The same way as the {tool}, I suppose.
Y: Shouldn't we ask the {trade}? // I asked. The advice was to buy a new one. // And why don't we?
Try it now. // Nothing happens. // Nothing at all? // There was a small cough.

A {what} is like a {animal}: if you shout at it,~ it lies down.
When my {relative} built it,~ there was a screw left over, and nobody has dared to touch it since.
The trouble is~ that the part we need is made only in {far}, and only on a {day}.
You turn the small wheel to the left until it clicks, and then you step back rather quickly.
I've oiled it, I've tapped it, and I've spoken kindly to it.
In {far} they have a {what} that runs all year,~ but they never let anybody look at it.
Every {season} the {what} stops once, and every {season} {uncle} says that it can't be mended.
I read about it in a book, {you}, but the last page was missing.

It works! // What did you do? // I've no idea. Don't touch it!
Y: It's going backwards, {you}. // But it's going! // That's true. We could all stand behind it.
What was it, then? // It was the {tool}. You left it in there [last {season}|on {day}].

The {what} ran until {day}, which was longer than anyone had hoped.
{X} washed {his} hands {number} times, and they stayed black.
{X} put the piece that was left over into {his} pocket, where there were {number} others.
"""),
    _matter("dish", """
{X} was to make a {what} for the {feast}, and {he} had never made one before.
There was to be a {what} for {number} people, and {X} had [{number2} plates|one pot|no eggs].
{X} had carried the {what} outside, pot and all, because the kitchen was full of smoke.

Taste this, {you}. // It needs {spice}. // It has {spice}. // Then it needs less {spice}.
Y: What's in it? // Everything that was in the cupboard, except the {tool}.
Y: Is it meant to be {colour}? // It's meant to be a surprise. // It is one.
Who left the door open? // It was the {animal}. It came for the smell. // Nobody else will.
Y: How many are coming? // {number}, if {uncle} counts as two. // He does.
Where's the big pan? // {aunt} has it. She's bathing the {animal}. // I'll use the small one.
Y: My {relative} puts {spice} in it. // Your {relative} puts {spice} in tea.
Is it burning? // Only at the edges. // I like the edges. // You'll like all of it, then.

A good {what} wants time,~ and a bad one wants {spice}.
My {relative} made one for the {feast} every year,~ and people came over the hills to refuse it.
First you fry the onions until they're brown, and then you open all the windows.
When {uncle} had eaten {number} helpings,~ he asked what it was.
You mustn't stir it on a {day},~ or it'll sulk.
If anyone asks,~ we'll say that it's the way they make it in {far}.
The secret is~ that you put in the {food} when nobody is looking.
I had one like it in {far} once, and I remember every spoonful, though I've tried not to.

Y: It's good! // You needn't sound so surprised. // May I have more? // There's a whole pot.
Supper's ready! // At last. What do we call it? // We call it supper.
What does {aunt} say? // She says it's the best {dish} she ever had. // But it's a {what}!

The {what} was eaten to the last crumb, and {X} looked {mood}.
{X} kept the last spoonful of the {what} for the {animal}, which thought about it.
Nobody spoke until the plates were empty, and {X} took that as praise.
"""),
    _matter("animal", """
There was a {what} in {X}'s kitchen, and it did not seem to be in a hurry.
{X} had found a {what} in front of {his} door, and it had followed {him} to the {place} and back.
On {day} a {what} had come to the {place}, and {X} had been sent to lead it away.

Y: Whose is it? // It won't say. // Has it a bell? // It had one. It's eaten it.
Push! // I am pushing. // Push the {what}, not me!
Y: What does it eat? // So far? A {tool}, my left sleeve and all the {food}.
It likes you, {you}. // It's standing on my foot. // That's how they show it.
Y: Does it bite? // Only people. // I'm people, {you}. // Then stand behind the {furniture}.
Perhaps {aunt} wants it. // {aunt} has {number} already. // She wouldn't notice one more.
Y: You can't keep it here. // I'm not keeping it. It's keeping me.
Come here! // Me? // No,~ the {what}. But you may come too.

You can't argue with a {what}, {you},~ because it has nothing else to do.
My {relative} had one that could count to {number},~ but it cheated.
It came in when I opened the door for the {coach} driver, and it took the warm chair.
If we walk towards the {place} with some {food},~ it'll follow us, or we'll have a picnic.
Last {season} one of them got onto the {coach} and went as far as {far}, and it paid for nothing.
They're gentle creatures as a rule, and they only shout when they're happy or when they aren't.
I've tried a whistle, I've tried {food}, and I've tried reading to it from the newspaper.
When I looked at it,~ it looked at me, and I was the first to look away.

It's gone! // Which way? // Towards the {place}. // Then it's the {trade}'s {what} now.
Y: Look, it's asleep. // Don't wake it! // I wouldn't dare. // Good. We'll try again on {day}.
What'll you call it? // I won't call it anything. // {day}? // That's not a bad name.

The {what} stayed for {number} days, and then {X} missed it.
{X} closed the door softly and left the {what} the best chair.
In the end the {what} went home by itself, and {X} walked behind it, carrying its bell.
"""),
    _matter("goods", """
{X} wanted to sell a {what} that {he} had from {his} {relative}.
{X} had been trying all day to sell a {what}, and nobody had stopped but a {animal}.
{X} had brought a {what} to the {place}, and {he} did not mean to carry it home.

Y: How much is the {what}? // {number} crowns. // For that? // For you, {number2}.
Y: It has a hole in it. // That's for the air. // And this? // That's so that the air can get out.
It belonged to a duke, you know. // Which duke? // A short one. Look how low it is.
Y: What would I do with a {what}? // You'd have one,~ and that's more than {uncle} can say.
Y: Does it work? // It's a {what}. It doesn't have to work. // Neither do you, it seems.
You won't find another in {town}. // I won't look for one, either. // That's a wise customer!
Y: I'll give you a {thing} for it. // What would I do with a {thing}? // Sell it.
Is that your last word, {you}? // It is. // And after that one? // Half.

This {what} has been to {far} and back,~ and it never complained once.
My {relative} was offered {number} crowns for it,~ and wept, and kept it, and regretted it.
I'd keep it myself,~ but my door is narrow and my {relative} is against it.
A thing like this doesn't wear out, {you},~ it only gets more like itself.
In {far} everybody has one,~ and the rich have one on each floor.
If you polish it on {day},~ you can see your grandchildren in it by {day2}.
The price is fair, the day is long, and the next one who comes by may be {uncle}.
When {aunt} bought hers,~ she danced all the way from the {place}.

Y: Done! // Done. Shall I wrap it? // Can one wrap a {what}? // One can try.
Take it! // For nothing? // For a sandwich. I haven't eaten since {oclock}.
Y: I'll think about it. // That's what {aunt} said. // When? // Last {season}.

{X} went home with {number} crowns in {his} pocket and walked more upright than before.
{X} sold the {what} to {uncle} in the end, and {uncle} sold it to {aunt}.
The {what} stayed where it was, and {X} sat down on it to think.
"""),
    _matter("far", """
A letter had come for {X} from {what}, with {number} stamps on it and a footprint.
{X} held an envelope from {what} up to the light and tried to read it without opening it.
The {coach} had brought {X} a letter from {what}, where {he} had a {relative}.

Y: Who's it from? // I don't know. I haven't opened it. // One can find out by opening it.
Y: Is it bad news? // Bad news comes in thin envelopes. // This one is thin. // It's medium.
Read it to me, {you}. // Don't you have your glasses? // I have them. I don't have the courage.
What's this word? // It looks like {food}. // And the next? // That's a blot. Or {spice}.
Y: What does it say? // It says that it's {sky} in {what}. // All that paper for the weather?
My {relative} wants to visit us! // When? // On {day}. // But that was yesterday!
Y: Is there money in it? // There's a pressed flower in it. // How much is that worth?
I shall answer at once. // You said that last {season}. // I've been sharpening the pencil.

Here it says~ that they have a new {machine}, and that everybody is afraid of it.
I'm writing this in the kitchen, it says, because the {animal} has the parlour.
My {relative} in {what} has married the {trade},~ and they've bought a {goods} together.
It says that the {food} there is dear, and that nobody can make a {dish} as we do.
And then there's a page about a tooth, {you},~ and I won't read you that.
They've had {number} days of rain, it says, and the {thing} I sent them has come in useful.
You remember {what}, don't you,~ with the long stairs and the short people?
At the end it says that we should write more often, and more clearly.

Y: Look, there's something on the back! // What is it? // It's addressed to {aunt}. // Oh dear.
What shall I write? // Write that we're well. // Are we? // We will be by the time it arrives.
I'll go to {what}! // Today? // No, not today. // Then come and have supper.

{X} put the letter behind the {furniture}, with the others.
{X} wrote {number} pages that evening and posted a card.
{X} read the letter once more by the window, moving {his} lips.
"""),
    _matter("music", """
{X} was learning the {what} for the {feast}, and the neighbours had begun to travel.
{X} had a {what} under {his} arm, and it had already made one sound.
The band of {town} needed a {what}, and {X} had not left the room fast enough.

Y: What was that? // That was the tune. // And before? // That was me, finding the tune.
Listen to this! // Must I? // It's short. // It was short last time.
Y: Who's the audience? // So far it's you, the {animal} and {uncle}. // {uncle} can't hear. // No.
Am I too loud? // They've shut the windows in {far}. // That's only because of the flies.
Y: Play something slow. // It's all slow. I look for each note. // Then play something short.
Did you like it, {you}? // I liked the end. // Which part of the end? // The silence.
Y: Where did you get it? // From my {relative}, who gave it away with tears of joy.
Count with me! // One, two, three, {number}. // There's no {number} in it! // There is now.

The {what} isn't hard, {you},~ if you don't mind what comes out.
You take a deep breath, you think of {far}, and you hope.
My {relative} played it at {number} weddings,~ and at two of them they asked for more.
When I practise at the {place},~ the {wild} sing along, and not one of them knows the words.
The high notes are for {day},~ and the low ones are for when somebody steals your {food}.
A {what} that has been sat on sounds sadder, but it's easier to carry.
At the last {feast} the band played for {number} hours because nobody knew how to stop.
In {far} they have an orchestra,~ and every one of them looks in the same direction.

Y: That was beautiful! // I haven't begun yet. // All the same.
I can do it! // Once more, then. // No,~ I can do it once. // Once is enough for the {feast}.
Y: They've found a {trade} who plays the {what}. // Are you sorry? // Not at all. Are you?

{X} played on the evening of the {feast}, and {number} people clapped before the end.
{X} wrapped the {what} in a blanket, as one wraps a child, and carried it home.
When {X} stopped, even the {wild} were quiet for a moment.
"""),
)

VERBS = {
    ".": _words("said,said,said,said,said,remarked,murmured,declared"),
    "?": _words("asked,asked,asked,wondered,inquired"),
    "!": _words("cried,cried,called,exclaimed,shouted"),
}
REPLY_VERBS = _words("said,said,answered,replied")
MEANWHILE = _words("""without looking up,folding {his} arms,looking for {his} glasses,with a sigh
    rubbing {his} hands,pointing at the {furniture},with {his} mouth full,sitting down again
    wiping the {tool},stepping over the {tool},looking at {his} boots,with half a smile""")

# Telling it ---------------------------------------------------------------------------------------

OPTIONS = re.compile(r"\[([^]]+)\]")
SLOT = re.compile(r"\{(\w+)\}")
ARTICLE = re.compile(r"\b([Aa]) (?=[aeiou])")
SENTENCE_START = re.compile(r"(^\(?|[.?!] |// )([a-z])")
SENTENCE_END = re.compile(r"(?<=[.?!]) ")


class Quoted(NamedTuple):
    """A text and, for each of its characters: once it is read, are we inside double quotes?

    The opening mark is inside (True), the closing mark is outside again (False).
    """

    text: str
    quoted: Bool[np.ndarray, "T"]


def dialogue(characters: int, seed: int = 0, width: int = 72) -> Quoted:
    """At least this many characters of stories, to the end of a paragraph, lines of <= width.

    Printable ASCII and line ends; an empty line between paragraphs. The same seed gives the same
    stories at any length: a shorter text is how a longer one begins.
    """
    for name, value, least in (
        ("characters", characters, 1),
        ("seed", seed, 0),
        ("width", width, 20),  # the longest word, with its quotation marks, has to fit
    ):
        if not isinstance(value, int) or value < least:
            raise ValueError(f"{name} is {value!r}: it has to be a whole number, at least {least}")
    paragraphs, length = [], 0
    for paragraph in _Author(np.random.default_rng(seed)).paragraphs():
        paragraphs.append(_wrap(paragraph, width))
        length += len(paragraphs[-1]) + 2  # and the empty line; the last one ends with one "\n"
        if length - 1 >= characters:
            break
    text = "\n\n".join(paragraphs) + "\n"
    marks = np.frombuffer(text.encode("ascii"), dtype=np.uint8) == ord('"')
    return Quoted(text, marks.cumsum() % 2 == 1)  # marks never nest, and each one that opens closes


def _wrap(paragraph, width):
    lines, line = [], ""
    for word in paragraph.split(" "):
        if line and len(line) + 1 + len(word) > width:
            lines.append(line)
            line = word
        else:
            line = f"{line} {word}" if line else word
    return "\n".join([*lines, line])


class _Person(NamedTuple):
    name: str
    he: str
    his: str
    him: str
    unique: bool = False  # is nobody else of the scene called he (or she)?

    def pronouns(self):
        return {"he": self.he, "his": self.his, "him": self.him, "himself": self.him + "self"}


class _Author:
    """Writes one scene after another. Everything random comes from `rng.random`."""

    def __init__(self, rng):
        self.rng = rng
        self.decks = {}

    def chance(self, probability):
        return self.rng.random() < probability

    def one_of(self, options):
        return options[int(self.rng.random() * len(options))]

    def draw(self, cards):
        """A card from the shuffled deck: none comes twice before each has come once."""
        if not self.decks.get(cards):
            self.decks[cards] = [cards[i] for i in np.argsort(self.rng.random(len(cards)))]
        return self.decks[cards].pop()

    def fill(self, template, **names):
        """The template with its slots filled. A slot stands for one word all through it."""
        names = {**self.scene, **names}
        text = OPTIONS.sub(lambda match: self.one_of(match.group(1).split("|")), template)
        for slot in SLOT.findall(text):
            while slot not in names:
                drawn = self.draw(self.words[slot.rstrip("2")])
                if drawn not in names.values():  # {tool2} is not {tool}
                    names[slot] = drawn
        text = text.format_map(names).format_map(names)  # twice: "under {his} breath" is a word
        text = ARTICLE.sub(r"\1n ", text)
        return SENTENCE_START.sub(lambda match: match.group(1) + match.group(2).upper(), text)

    def paragraphs(self):
        """The paragraphs of one scene after another, without end."""
        while True:
            yield from self.one_scene()

    def one_scene(self):
        """The opening, talk and telling in turn, the end of the matter: 20 to 75 paragraphs."""
        self.words = {**WORDS, **self.one_of((HARBOUR, VILLAGE))}
        matter = self.draw(MATTERS)
        self.scene = {
            "town": self.draw(self.words["town"]),
            "job": self.draw(self.words["trade"]),
            "what": self.draw(self.words[matter.what]),
        }
        self.cast = self.people(self.one_of((2, 2, 3, 3, 4)))
        x, y, *others = self.cast
        yield " ".join([self.about(x, y, cards) for cards in (OPENING, MEETING, matter.begin)])
        if others:
            joining = [self.about(other, x, JOINING) for other in others]
            yield " ".join([self.about(x, y, SCENERY), *joining])
        for _ in range(4 + int(self.rng.random() * 4)):
            yield from self.talk(x, y, matter.talk)
            yield self.telling()
            if self.chance(0.4):
                yield self.speech(x, y, matter.tell)
                yield self.telling()
            if self.chance(0.2):
                yield self.speech(*self.pair(), NEWS)
            if self.chance(0.3):
                yield from self.talk(*self.pair(), CHATTER)
                yield self.telling()
        yield from self.talk(x, y, matter.last)
        yield self.about(x, y, matter.end)

    def people(self, count):
        """Women and men by turns."""
        kinds = [(SHE, "she", "her", "her"), (HE, "he", "his", "him")]
        if self.chance(0.5):
            kinds.reverse()
        cast = []
        while len(cast) < count:
            names, *pronouns = kinds[len(cast) % 2]
            name = self.draw(names)
            if name not in [person.name for person in cast]:
                cast.append(_Person(name, *pronouns, unique=count <= 2 + len(cast) % 2))
        return cast

    def pair(self):
        """Two of the people of the scene, in any order."""
        first = self.one_of(self.cast)
        return first, self.one_of([person for person in self.cast if person is not first])

    def about(self, x, y, cards, named=True):
        """A sentence about x, by name or (not `named`) as he or she, and sometimes y."""
        template = self.draw(cards)
        if not named and template.startswith("{X}"):
            template = x.he + template.removeprefix("{X}")
        return self.fill(template, X=x.name, Y=y.name, **x.pronouns()).replace("~", "")

    def telling(self):
        """A paragraph without talk; sometimes there is a sign to read."""
        x, y = self.pair()
        parts = [self.about(x, y, SCENERY)] if self.chance(0.5) else []
        parts += [self.about(x, y, NEWS)] if self.chance(0.4) else []
        parts += [self.about(x, y, SIGNS)] if self.chance(0.2) else []
        parts += [self.about(x, y, ACTION)]
        if self.chance(0.5):
            parts += [self.about(x, y, ACTION, named=y.name in parts[-1])]
        parts += [self.about(x, y, ASIDE)] if self.chance(0.15) else []
        return " ".join(parts)

    def talk(self, x, y, cards):
        """The lines of one exchange, a paragraph each, and perhaps a short retort."""
        lines = self.draw(cards)
        speakers = (y, x) if lines.startswith("Y: ") else (x, y)
        lines = lines.removeprefix("Y: ").split(" // ")
        for i, line in enumerate(lines):
            if line.endswith(".") and self.chance(0.7):
                lines[i] = f"{line} {self.draw(REMARK)}"
            elif line.endswith("?") and len(line) > 20 and self.chance(0.6):
                lines[i] = f"{self.draw(LEAD)} {line}"
        if lines[-1].endswith(".") and self.chance(0.15):
            lines.append(self.draw(RETORT))
        lines = [line.replace("{you}", speakers[i % 2 - 1].name) for i, line in enumerate(lines)]
        for i, line in enumerate(self.fill(" // ".join(lines)).split(" // ")):
            x, y = speakers[i % 2], speakers[i % 2 - 1]
            yield self.spoken(x, y, line, reply=i > 0)
            if self.chance(0.12):
                yield self.about(x, y, ACTION)

    def speech(self, x, y, cards):
        """A long speech of x to y: 3 to 6 sentences."""
        decks = [STARTER, OPINION, *[cards] * 4][: 3 + int(self.rng.random() * 4)]
        lines = [self.fill(self.draw(deck), you=y.name) for deck in decks]
        return self.spoken(x, y, " ".join(lines), reply=False)

    def spoken(self, x, y, line, reply):
        """A paragraph in which x says this line to y."""
        before, broken, after = line.partition("~")
        whole = line.replace("~", "")
        first, *rest = SENTENCE_END.split(whole, maxsplit=1)
        form = self.rng.random()
        if broken and form < 0.3:
            after = after.lstrip().replace("~", "")
            return f'"{before.rstrip(",")}," {self.tag(x, ".", reply)}, "{after}"'
        if form < (0.3 if reply else 0):
            return f'"{whole}"'
        if form < 0.4:
            return f'{x.name} {VERBS[first[-1]][0]}, "{whole}"'
        if form < 0.5:
            return f'{self.about(x, y, ACTION)} "{whole}"'
        if rest and form < 0.6:
            return f'"{_before_tag(first)} {self.tag(x, first[-1], reply)}. "{rest[0]}"'
        return f'"{_before_tag(whole)} {self.tag(x, whole[-1], reply)}.'

    def tag(self, x, mark, reply):
        """Said Mira, or she asked; sometimes how, or doing what."""
        verb = self.one_of(REPLY_VERBS if reply and mark == "." else VERBS[mark])
        tag = f"{x.he} {verb}" if x.unique and self.chance(0.45) else f"{verb} {x.name}"
        if mark != "!" and self.chance(0.15):  # nobody shouts quietly
            tag += " " + self.draw(WORDS["how"])
        elif self.chance(0.1):
            tag += ", " + self.draw(MEANWHILE)
        told = self.fill(tag, **x.pronouns())
        return told[0].lower() + told[1:]


def _before_tag(said):
    """A full stop becomes a comma before "said Mira"; other marks stay."""
    return (said[:-1] + "," if said.endswith(".") else said) + '"'
