"""Steering: what is done to a stream, as data and arithmetic. May import `vectors`, `settings` and below."""
