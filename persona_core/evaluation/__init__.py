"""Does steering work, what does it cost, and does the floor hold? `persona-steer eval` prints what is measured here.

`evaluation` is what every part shares; `effect`, `dose_response`, `safety` and `stability` measure; `report` holds the
figures; `run` puts the parts together and goes on where a killed run was.
"""
