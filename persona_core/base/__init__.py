"""Base: what knows nothing of personas or models: names, records, files, threads, layers, messages.

May import `errors`.
"""
