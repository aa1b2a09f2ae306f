"""Findings: what a check of this machine, workspace or model found."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was checked, whether it is as promised, what was found, and what to do about it where it is not."""

    name: str
    ok: bool
    detail: str
    advice: str = ""
