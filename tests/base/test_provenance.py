"""Provenance: what headers and reports say of their making."""

import datetime
import os
import platform

from persona_core.base.provenance import TOOLS, describe_machine, provenance


def test_provenance_names_the_time_in_utc_every_tool_and_the_seed():
    fields = provenance(7)
    made = datetime.datetime.fromisoformat(fields["created"])
    assert made.utcoffset() == datetime.timedelta(0)
    assert abs(datetime.datetime.now(datetime.UTC) - made) < datetime.timedelta(minutes=1)
    assert tuple(fields["versions"]) == TOOLS
    assert all(fields["versions"].values())
    assert fields["seed"] == 7


def test_a_machine_is_described_with_its_device_and_dtype():
    described = describe_machine("cuda:0", "bfloat16")
    assert described.startswith(f"{platform.machine()}, {os.cpu_count()} cores, ")
    assert ", cuda:0, bfloat16, " in described
