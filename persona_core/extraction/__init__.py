"""Extraction: text in, a calibrated vector out; `refusal` is here though evaluation reads it.

May import `model` and below.
"""
