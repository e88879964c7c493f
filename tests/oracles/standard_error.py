"""Standard error without what depends on the machine's speed: progress, and that it compiles."""

import re

SPEED = re.compile(r"^([\w ]+: [\d,]+ of [\d,]+.*|compiling the training loops.*)\n", re.MULTILINE)


def complaints(text):
    """What is left: notices and errors."""
    return SPEED.sub("", text)
