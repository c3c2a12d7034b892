"""Errors that the user can fix; the command line prints them without a traceback.

Every message states the value received, the requirement and a fix. Internal bugs are
never UserError.
"""

from __future__ import annotations


class UserError(ValueError):
    """Invalid user input; the command line exits with status 1."""


def require_list(value: object, name: str) -> None:
    """Check that an argument of several items is no single text.

    Python would take it apart into characters.

    Args:
        value: The argument.
        name: Its name in the error message.

    Raises:
        UserError: If it is a text or bytes.
    """
    if isinstance(value, str | bytes):
        raise UserError(
            f"{name} is the single text {value[:60]!r}, but must be a list: put it in "
            f"brackets, [{value[:60]!r}]."
        )


def misaligned_error(counts: str) -> UserError:
    """Return the error for parallel files or lists of unequal length.

    Args:
        counts: A clause with both lengths, such as "a has 2 lines but b has 3".
    """
    return UserError(f"{counts}; line i of one must belong to line i of the other.")


class RecipeError(UserError):
    """Invalid recipe; the message has one line per error."""


class Interrupted(BaseException):
    """Training was stopped by a signal, after its state was saved.

    Like KeyboardInterrupt it is no Exception, so that no handler swallows it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = 128 + number
