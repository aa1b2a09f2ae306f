"""Evaluation: measures whether steering works, what it costs, and whether the floor holds.

A `request` becomes an `evaluation`, which all parts share. `effect`, `damage`, `dose_response`, `safety` and
`stability` each measure a part; `run` measures them one by one and fills the `report`.
May import `extraction`, `engine` and below.
"""
