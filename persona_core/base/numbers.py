"""Numbers: how they are written for people."""


def signed(value: float) -> str:
    """Return a number with its sign and two decimals, and never a negative zero."""
    return f"{round(value, 2) + 0.0:+.2f}"


def above(value: float) -> str:
    """Return a distance above a bound in words: `0.50 above` or `11.20 below`."""
    return f"{abs(value):.2f} {'below' if round(value, 2) < 0 else 'above'}"
