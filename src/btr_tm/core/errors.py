"""The one exception that is shown to users without a traceback."""


class UserError(Exception):
    """Something the user can fix: one sentence saying what was expected, what came, and the remedy."""
