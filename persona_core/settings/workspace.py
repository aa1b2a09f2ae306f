"""Workspace: finds the user's folder and says where each thing in it lives."""

import os
from dataclasses import dataclass
from pathlib import Path

from persona_core.base.names import check_name
from persona_core.errors import WorkspaceError

HOME_VARIABLE = "PERSONA_STEER_HOME"
MARK = "# persona-steer"


@dataclass(frozen=True)
class Workspace:
    """The workspace's folder and the paths in it. Only `exists` looks at the disk."""

    root: Path

    @property
    def config_file(self) -> Path:
        """The configuration."""
        return self.root / "config.yaml"

    @property
    def exists(self) -> bool:
        """Tell whether `init` has been here."""
        return self.config_file.is_file()

    @property
    def datasets(self) -> Path:
        """The text that extraction reads: one folder for the personas, one for safety."""
        return self.root / "datasets"

    @property
    def persona_datasets(self) -> Path:
        """One YAML a persona: its dataset."""
        return self.datasets / "personas"

    def persona_dataset(self, name: str) -> Path:
        """Return the file of one persona's dataset; raise `PersonaError` for a name that breaks the rules."""
        return self.persona_datasets / f"{check_name(name)}.yaml"

    @property
    def safety_dataset(self) -> Path:
        """The refusing and complying replies that the safety axis is made from."""
        return self.datasets / "safety" / "safety.yaml"

    @property
    def archetypes(self) -> Path:
        """The workspace's own archetypes, one YAML each."""
        return self.root / "archetypes"

    def archetype_file(self, name: str) -> Path:
        """Return the file of one of the workspace's own archetypes."""
        return self.archetypes / f"{name}.yaml"

    @property
    def vectors(self) -> Path:
        """One folder a model."""
        return self.root / "vectors"

    @property
    def cache(self) -> Path:
        """Rollouts from which an interrupted extraction resumes."""
        return self.root / "cache"

    def rollouts(self, slug: str) -> Path:
        """Return the file of the finished replies that one model's extractions keep."""
        return self.cache / slug / "rollouts.jsonl"

    @property
    def evaluations(self) -> Path:
        """One folder a model: its reports."""
        return self.root / "evaluations"

    def evaluation(self, slug: str) -> Path:
        """Return the folder of one model's evaluations: the last report, and what a killed run goes on from."""
        return self.evaluations / slug

    def evaluation_report(self, slug: str) -> Path:
        """Return the report of one model's last evaluation."""
        return self.evaluation(slug) / "report.json"

    def evaluation_replies(self, slug: str) -> Path:
        """Return the file of the finished replies that one model's evaluations keep."""
        return self.evaluation(slug) / "replies.jsonl"

    def evaluation_scores(self, slug: str) -> Path:
        """Return the file of the judges' scores that one model's evaluations keep."""
        return self.evaluation(slug) / "scores.jsonl"

    def evaluation_log_probs(self, slug: str) -> Path:
        """Return the file of the log-probabilities of replies' tokens that one model's evaluations keep."""
        return self.evaluation(slug) / "log_probs.jsonl"

    def evaluation_part(self, slug: str, digest: str, part: str) -> Path:
        """Return the file of one finished part; `digest` is that of all that the part's figures depend on."""
        return self.evaluation(slug) / digest / f"{part}.json"

    @property
    def conversations(self) -> Path:
        """One JSON-lines file a chat."""
        return self.root / "conversations"

    @property
    def chat_history(self) -> Path:
        """The lines that were typed into chats."""
        return self.root / "chat_history"

    @property
    def plugin_record(self) -> Path:
        """When each plugin package was first seen here."""
        return self.root / "plugins.json"

    @property
    def state_file(self) -> Path:
        """The active set: which personas `load` has named."""
        return self.root / "state.json"

    @property
    def trash(self) -> Path:
        """Deleted personas, until they are restored."""
        return self.root / "trash"


def find_workspace(explicit: Path | None = None, start: Path | None = None) -> Workspace:
    """Return the first of: `explicit`, `$PERSONA_STEER_HOME`, the nearest workspace above `start`, the user's own."""
    if explicit is not None:
        return _checked(explicit)
    if home := os.environ.get(HOME_VARIABLE):
        return _checked(Path(home))
    start = (start or Path.cwd()).absolute()
    for folder in (start, *start.parents):
        if is_workspace(folder):
            return Workspace(folder)
    return Workspace(user_folder())


def user_folder() -> Path:
    """Return the user's own workspace, used where there is no nearer one."""
    import platformdirs

    return platformdirs.user_data_path("persona-steer")


def is_workspace(folder: Path) -> bool:
    """Tell whether a folder is a workspace, by the first line of its `config.yaml`."""
    try:
        with (folder / "config.yaml").open(encoding="utf-8") as file:
            return file.readline().startswith(MARK)
    except (OSError, UnicodeDecodeError):
        return False


def _checked(folder: Path) -> Workspace:
    folder = folder.expanduser().absolute()
    if folder.exists() and not folder.is_dir():
        raise WorkspaceError(f"{folder} is a file, not a folder; give a folder as the workspace")
    return Workspace(folder)
