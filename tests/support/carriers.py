"""Carriers: wheels that pip accepts, with given members."""

import zipfile
from collections.abc import Mapping
from pathlib import Path

from persona_core.model.loading.wheels import wheel_name


def write_wheel(folder: Path, requirement: str, members: Mapping[str, bytes]) -> Path:
    """Write the pure-Python wheel of `NAME==VERSION` into a folder."""
    name, _, version = requirement.partition("==")
    path = folder / wheel_name(requirement)
    info = path.name.removesuffix("-py3-none-any.whl") + ".dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path
