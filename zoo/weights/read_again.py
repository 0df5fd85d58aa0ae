"""A reader of lines of text looks again, in other sizes, at those of which it is unsure."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from zoo.spec import Encoded, Spec, TextLine, Transcript

CUTS = (1 / 8, 1 / 16, -1 / 32)  # of the height, above and below: letters a third and a seventh larger, and smaller


def read_again(output_of: Callable[[Encoded], Tensor], batch: Encoded, spec: Spec) -> Tensor:
    """The output for an encoded batch, where lines of which a reader of text is unsure have the best of four readings.

    Letters of one size are the easier to read in some fonts, and of another in others; what is likely in several is
    more often right, word by word. Networks that are no readers of lines give what they give.

    Args:
        output_of: the network, from an encoded batch to logits.
        batch: the encoded batch.
        spec: its input and output.
    """
    output = output_of(batch)
    line, transcript = spec.input, spec.output
    if not isinstance(line, TextLine) or not isinstance(transcript, Transcript):
        return output
    unsure = transcript.unsure(output)
    if not unsure:
        return output
    return transcript.likelier(output, [output_of(line.resized(batch, unsure, cut)) for cut in CUTS], unsure)
