"""What goes wrong for reasons that the user can mend.

The command line prints such an error as one line, without a traceback. Every message
says what came, what is needed and what to do. Faults of our own are never InputError.
"""


class UserError(ValueError):
    """Something that a user gave cannot be used; the command line exits with 1."""

    exit_status = 1


def misaligned_error(counts: str) -> UserError:
    """Return the error for parallel files or lists of unequal length.

    Args:
        counts: A clause with both lengths, such as "a has 2 lines but b has 3".
    """
    return UserError(f"{counts}; line i of one must belong to line i of the other.")


class RecipeError(UserError):
    """A recipe is wrong; the message has a line for each fault, the status is 2."""

    exit_status = 2


class Interrupted(BaseException):
    """A signal asks to end; what was trained is on disk. Nobody's fault.

    Like KeyboardInterrupt it is no Exception, so that nothing catches it on the way.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_status = 128 + number
