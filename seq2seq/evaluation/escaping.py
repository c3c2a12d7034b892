"""Text as it can be shown anywhere: what steers is made visible, nothing runs.

Knows characters; not pages or terminals.
"""

from __future__ import annotations

import re

# Control characters, marks that turn the writing direction, what has no width, line
# separators, and the tag characters. Joiners (U+200C, U+200D) belong to some scripts.
_STEERING = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e"
    "\u2060-\u206f\ufeff\ufff9-\ufffb\U000e0000-\U000e007f\ud800-\udfff]"
)


def escape_control_chars(text: str) -> str:
    """Spell characters that steer the display by their numbers, as ⟨U+202E⟩."""
    return _STEERING.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)


def format_signed(value: float, digits: int = 2) -> str:
    """Write a difference with its sign; a minus is as wide as a plus."""
    text = f"{value:+.{digits}f}"
    if float(text) == 0:
        return f"{0:.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def format_p_value(p_value: float) -> str:
    """Write a p-value to the digits that matter."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"
