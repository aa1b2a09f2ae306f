"""Numbers: how they are written for people."""


def signed(value: float) -> str:
    """Return a number with its sign and two decimals, and never a negative zero."""
    return f"{round(value, 2) + 0.0:+.2f}"
