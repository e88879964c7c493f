"""Standard error without what depends on the machine's speed: progress, and that it compiles."""

import re

SPEED = re.compile(
    r"(\d+ of \d+ trials, .* steps/s .*|\w+: [\d,]+ of [\d,]+|compiling the training loops.*)\n"
)


def complaints(text):
    """What is left: notices and errors."""
    return SPEED.sub("", text)
