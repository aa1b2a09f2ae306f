"""Files: the generator that finds a persona's file and makes datasets of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from persona_core import DEFAULT_PROMPTS, Archetype, PersonaDataset, SafetyDataset, check_name
from persona_core.errors import DatasetError
from persona_datasets_files.persona_file import PersonaText, read_persona
from persona_datasets_files.safety_file import read_safety

SUFFIXES = (".yaml", ".yml", ".json", ".jsonl", ".csv")
_SAFETY = "safety"


@dataclass(frozen=True)
class Files:
    """Reads one persona from a file, or each from the file of its name in a folder."""

    path: Path | None = None
    name: str = "files"

    def with_argument(self, argument: str) -> Files:
        """Return the generator of one file or folder; raise `DatasetError` where there is none."""
        path = Path(argument).expanduser()
        if not argument.strip() or not path.exists():
            raise DatasetError(f"no file or folder {argument!r}; write --generator files:PATH")
        return replace(self, path=path)

    def archetype(self, name: str, description: str, questions: Sequence[str]) -> Archetype:
        """Return the persona of the file; what the file does not say comes from `description` and `questions`."""
        file = self._file(name)
        text = read_persona(file)
        return Archetype(
            name=name,
            description=description.strip() or text.description or f"{name}, from {file.name}",
            system_prompts=text.persona_prompts,
            questions=text.questions or tuple(questions),
            tags=("from-file",),
        )

    def persona(self, archetype: Archetype, n_prompts: int, n_questions: int) -> PersonaDataset:
        """Return the first prompts and questions of the persona's file; raise `DatasetError` for another's file."""
        file = self._file(archetype.name)
        text = read_persona(file)
        if file == self.path and text.persona_prompts != archetype.system_prompts:
            raise DatasetError(_another(file, archetype.name))
        return PersonaDataset(
            name=archetype.name,
            persona_prompts=text.persona_prompts[:n_prompts],
            default_prompts=(text.default_prompts or DEFAULT_PROMPTS)[:n_prompts],
            questions=_questions(file, text, archetype)[:n_questions],
        )

    def safety(self) -> SafetyDataset:
        """Return the safety dataset of the file, or of `safety.*` in the folder."""
        return read_safety(self._file(_SAFETY))

    def _file(self, name: str) -> Path:
        if self.path is None:
            raise DatasetError("which file? write --generator files:PATH, with a file or a folder")
        return _in_folder(self.path, check_name(name)) if self.path.is_dir() else self.path


def _in_folder(folder: Path, name: str) -> Path:
    paths = [path for suffix in SUFFIXES if (path := folder / f"{name}{suffix}").is_file()]
    if len(paths) > 1:
        raise DatasetError(f"{folder} holds {' and '.join(path.name for path in paths)}: keep one of them")
    if not paths:
        raise DatasetError(f"{folder} holds no file for {name!r}: expected {name} with one of {', '.join(SUFFIXES)}")
    return paths[0]


def _questions(file: Path, text: PersonaText, archetype: Archetype) -> tuple[str, ...]:
    questions = text.questions or archetype.questions
    if len(questions) < 2:
        raise DatasetError(f"{file}: {len(questions)} questions; give it 2 or more, or none to ask the bank's")
    return questions


def _another(file: Path, name: str) -> str:
    return (
        f"{file} holds the prompts of one persona, and they are not those of {name!r}: make it a persona with "
        f"`persona-steer create NAME --generator files:{file}`, or give a folder that holds {name}{file.suffix}"
    )
