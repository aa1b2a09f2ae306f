"""Evaluation: measures whether steering works, what it costs, and whether the floor holds.

A `request` becomes an `evaluation`, which all parts share. `effect`, `damage`, `dose_response`, `safety` and
`stability` each measure a part; `run` measures them one by one and fills the `report`. `judges` is here although
packages register judges, because only an evaluation asks them.
May import `extraction`, `engine` and below.
"""
