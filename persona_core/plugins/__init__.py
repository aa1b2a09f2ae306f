"""Plugins: everything about packages but the table of what they brought: hooks, built-ins, loading.

May import `chat`, `evaluation` and below.
"""
