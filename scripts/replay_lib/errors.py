"""The two ways a replay ends before its verdict."""


class InputError(Exception):
    """Wrong arguments or a wrong bookings file: nothing was sent (exit 2)."""


class ReplayError(Exception):
    """The service answered what the contract does not allow, or not at all (exit 1)."""
