"""Personas: a workspace's archetypes, datasets and personas; `building` is here because it needs no model.

May import `vectors`, `settings` and below.
"""
