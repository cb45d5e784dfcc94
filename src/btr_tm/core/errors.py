"""The one exception that is shown to users without a traceback."""


class UserError(Exception):
    """Something the user can fix: one sentence that says what is wrong, what came and how to mend it."""


class DamagedFile(UserError):
    """A file that is not what was written: truncated or gone. An older save may still be whole."""


class RaceLost(UserError):
    """A game failed in the middle of a race, which is void; `reset` of the environment begins another."""
