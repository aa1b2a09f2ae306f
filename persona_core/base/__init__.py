"""Base: tools that know nothing of personas or models: names, records, files, threads, layers, messages.

May import `errors`.
"""
