"""Model: one language model, found, loaded and run; the only room that knows nnsight and transformers.

May import `steering`, `personas` and below.
"""
