"""Synthetic sentences about films whose polarity depends on their structure, not on single words.

A small grammar builds each sentence from the outside in: it draws the polarity, then a construction (negation,
contrast, quotation, disappointed hope, doubt), then the polarity that each part must have. Words of praise and of blame
are equally frequent in positive and negative sentences, so that a bag of words has little information.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random


def _words(text: str) -> list[str]:
    return text.split()


ASPECTS = _words(
    """
    acting ambience animation atmosphere beginning camerawork cast casting choreography cinematography comedy
    costumes dialogue direction drama dubbing editing ending film finale humour lighting location makeup melody
    message mood movie mystery narration opening pacing photography picture plot premise production prologue
    puppetry remake rhythm romance score scenery screenplay script sequel setting show singing sound soundtrack
    story stunts style subplot suspense thriller timing tone translation twist voiceover writing
    """
)
PRAISE = _words(
    """
    amazing amusing beautiful brilliant captivating charming clever compelling convincing delightful elegant
    enchanting engaging enjoyable excellent exciting exquisite fabulous fascinating fantastic flawless fresh
    funny gorgeous graceful great gripping heartfelt hilarious impressive ingenious inspired inventive lively
    lovely luminous magical magnificent marvellous masterful memorable moving original outstanding perfect
    poetic powerful remarkable riveting satisfying sincere smart splendid stunning subtle superb tender
    thrilling touching witty wonderful
    """
)
BLAME = _words(
    """
    abysmal annoying appalling awful bad banal bland boring cheap clichéd clumsy contrived crude cynical dated
    derivative disappointing dismal dreadful dreary dull embarrassing empty exhausting flat foolish forced
    forgettable grating hollow horrible inane incoherent inept insipid irritating lame laughable lazy lifeless
    mediocre messy mindless muddled obnoxious pathetic pointless poor predictable pretentious ridiculous shallow
    sloppy stale stupid tedious terrible tiresome trite ugly unbearable uninspired weak wooden
    """
)
ADJECTIVES = {True: PRAISE, False: BLAME}
VERBS = {  # of a viewer
    True: _words("admire adore applaud enjoy like love praise recommend treasure"),
    False: _words("despise detest dislike hate loathe mock regret resent scorn"),
}
DEGREES = ("", "", "", "very ", "really ", "truly ", "quite ", "rather ", "absolutely ", "utterly ", "genuinely ")
SPEAKERS = (
    "my brother",
    "my sister",
    "my mother",
    "my uncle",
    "a friend of mine",
    "one critic",
    "the trailer",
    "the poster",
    "the director",
    "my neighbour",
    "the newspaper",
    "an old colleague",
    "everybody at work",
    "the man beside me",
)
PLAIN = (
    "{degree}{adjective}",
    "a {degree}{adjective} {aspect}",
    "it is {degree}{adjective}",
    "always {adjective}",
    "the {aspect} is {degree}{adjective}",
    "i {verb} the {aspect}",
    "simply {adjective}",
)
NEGATED = (
    "not {degree}{adjective}",
    "not {adjective} at all",
    "not a {adjective} {aspect}",
    "never {adjective}",
    "hardly a {adjective} {aspect}",
    "far from {adjective}",
    "anything but {adjective}",
    "nothing {adjective} about it",
    "no {adjective} {aspect}",
    "it is not {degree}{adjective}",
    "the {aspect} isn't {degree}{adjective}",
    "i did not {verb} the {aspect}",
)
RESERVED = 5  # one in five pairs of adjective and construction is reserved for the test split


@dataclass(frozen=True)
class Sentence:
    """A sentence with its polarity and its constructions.

    Args:
        text: the sentence, in lower case.
        positive: its polarity.
        constructions: names of its constructions, from the outside in.
    """

    text: str
    positive: bool
    constructions: tuple[str, ...]


def generate_reviews(count: int, random: Random, *, depths: tuple[int, ...], reserved: bool) -> list[Sentence]:
    """Generate different sentences.

    Args:
        count: number of sentences.
        random: source of random numbers.
        depths: possible numbers of constructions around the innermost one.
        reserved: whether to use the pairs of adjective and construction that are reserved for the test split, or all
            others.
    """
    sentences: dict[str, Sentence] = {}
    while len(sentences) < count:
        positive = random.random() < 0.5
        text, names = _sentence(random, positive, random.choice(depths), reserved)
        text = re.sub(r"\ba (?=[aeiou])", "an ", text) + " ."
        sentences[text] = Sentence(text, positive, names)
    return list(sentences.values())


def generate_fragments(count: int, random: Random) -> list[tuple[str, bool]]:
    """Short judgements as reviews begin them, plain ("a witty comedy") or, one in four, negated ("never boring").

    Args:
        count: number of fragments, which may repeat.
        random: source of random numbers.

    Returns:
        Texts in lower case with whether they are positive.
    """
    fragments = []
    for index in range(count):
        negated, positive = index % 4 == 3, random.random() < 0.5
        text = random.choice(NEGATED if negated else PLAIN).format(
            adjective=random.choice(ADJECTIVES[positive != negated]),
            verb=random.choice(VERBS[positive != negated]),
            degree=random.choice(DEGREES),
            aspect=random.choice(ASPECTS),
        )
        fragments.append((re.sub(r"\ba (?=[aeiou])", "an ", text), positive))
    return fragments


Built = tuple[str, tuple[str, ...]]


def _sentence(random: Random, positive: bool, depth: int, reserved: bool) -> Built:
    """A sentence of this polarity with `depth` constructions around its innermost one."""
    if depth == 0:
        return _simple(random, positive, reserved)
    name = random.choice(list(AROUND))
    wordings, keeps = AROUND[name]
    wording = random.choice(wordings)
    inner, names = _sentence(random, positive == keeps, depth - 1, reserved)
    other = _simple(random, not positive, reserved)[0] if "{other}" in wording else ""
    return wording.format(inner=inner, other=other, who=random.choice(SPEAKERS)), (name, *names)


# Constructions around a sentence: the wordings, and whether the whole has the polarity of its part `inner`
AROUND: dict[str, tuple[tuple[str, ...], bool]] = {
    "contrast": (
        (
            "{other} , but {inner}",
            "{other} , and yet {inner}",
            "although {other} , {inner}",
            "while {other} , {inner}",
            "{inner} , although {other}",
            "{inner} , even though {other}",
            "{other} ; still , {inner}",
        ),
        True,
    ),
    "agreement": (
        (
            "{who} said that {inner} , and it is true",
            "{who} claimed that {inner} , and rightly so",
            "as {who} put it , {inner} , and i agree",
            "{who} insisted that {inner} ; how right",
            "nobody can deny that {inner}",
            "there is no doubt that {inner}",
        ),
        True,
    ),
    "disagreement": (
        (
            "{who} said that {inner} , but it is not true",
            "{who} claimed that {inner} , and i disagree",
            "{who} insisted that {inner} ; how wrong",
            "{who} told me that {inner} , which is nonsense",
            "{who} wrote that {inner} , and could not be more wrong",
            "{who} may think that {inner} , but i do not",
        ),
        False,
    ),
    "doubt": (
        (
            "it is not true that {inner}",
            "nobody could claim that {inner}",
            "i cannot say that {inner}",
            "i doubt that {inner}",
            "do not believe that {inner}",
            "it is a myth that {inner}",
        ),
        False,
    ),
}


def _simple(random: Random, positive: bool, reserved: bool) -> Built:
    """An innermost construction: one judgement of one aspect."""
    name = random.choice(list(INNERMOST))
    wordings, keeps = INNERMOST[name]
    wording = random.randrange(len(wordings))
    pole = positive == keeps
    place = sorted(INNERMOST).index(name) * 8 + wording
    words = VERBS[pole] if "{verb}" in wordings[wording] else ADJECTIVES[pole]
    allowed = [word for index, word in enumerate(words) if ((index + 2 * place) % RESERVED == 0) == reserved]
    word = random.choice(allowed)
    text = wordings[wording].format(
        adjective=word, verb=word, degree=random.choice(DEGREES), aspect=random.choice(ASPECTS)
    )
    return text, (name,)


INNERMOST: dict[str, tuple[tuple[str, ...], bool]] = {
    "statement": (
        (
            "the {aspect} is {degree}{adjective}",
            "i found the {aspect} {degree}{adjective}",
            "the {aspect} felt {degree}{adjective}",
            "what a {adjective} {aspect} this is",
            "you will {verb} the {aspect}",
            "i {degree}{verb} the {aspect}",
        ),
        True,
    ),
    "negation": (
        (
            "the {aspect} is not {degree}{adjective}",
            "the {aspect} is not {adjective} at all",
            "the {aspect} is never {adjective}",
            "there is nothing {adjective} about the {aspect}",
            "the {aspect} is far from {adjective}",
            "the {aspect} is anything but {adjective}",
            "i did not {verb} the {aspect}",
            "nobody will {verb} the {aspect}",
        ),
        False,
    ),
    "hope": (
        (
            "i expected the {aspect} to be {adjective} , in vain",
            "the {aspect} was meant to be {adjective}",
            "the {aspect} could have been {adjective}",
            "they promised a {adjective} {aspect}",
            "i wanted to {verb} the {aspect}",
            "i had hoped to {verb} the {aspect}",
        ),
        False,
    ),
}
