"""Which folder is the workspace, and that everything in it stays in it."""

from pathlib import Path

import pytest

from persona_core.errors import PersonaError, WorkspaceError
from persona_core.settings.workspace import HOME_VARIABLE, MARK, Workspace, find_workspace, is_workspace, user_folder


def make_workspace(folder: Path) -> Path:
    """Mark a folder as a workspace."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(f"{MARK}: settings\n")
    return folder


def test_an_explicit_folder_comes_before_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    assert find_workspace(tmp_path / "mine").root == tmp_path / "mine"


def test_the_variable_comes_before_the_nearest_parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = make_workspace(tmp_path / "here")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "home"))
    assert find_workspace(start=here).root == tmp_path / "home"


@pytest.mark.parametrize("value", [None, ""])
def test_the_nearest_parent_comes_before_the_users_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(HOME_VARIABLE) if value is None else monkeypatch.setenv(HOME_VARIABLE, value)
    outer = make_workspace(tmp_path / "outer")
    inner = make_workspace(outer / "inner")
    deep = inner / "a" / "b"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert find_workspace().root == inner
    assert find_workspace(start=outer).root == outer


def test_the_users_folder_comes_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(HOME_VARIABLE)
    assert find_workspace(start=tmp_path).root == user_folder()


def test_another_programs_config_makes_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("model: other\n")
    assert not is_workspace(tmp_path)
    (tmp_path / "config.yaml").write_bytes(b"\xff\xfe")
    assert not is_workspace(tmp_path)
    assert not is_workspace(tmp_path / "missing")


def test_a_file_is_refused_as_a_workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="is a file, not a folder"):
        find_workspace(tmp_path / "file")
    monkeypatch.setenv(HOME_VARIABLE, str(tmp_path / "file"))
    with pytest.raises(WorkspaceError, match="is a file, not a folder"):
        find_workspace()


def test_a_relative_folder_is_made_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_workspace(Path("mine")).root == tmp_path / "mine"


def test_looking_touches_nothing_and_every_place_lies_inside(tmp_path: Path) -> None:
    place = Workspace(tmp_path / "none")
    assert not place.exists
    views = [name for name, value in vars(Workspace).items() if isinstance(value, property) and name != "exists"]
    assert len(views) >= 8
    assert all(place.root in getattr(place, name).parents for name in views)
    assert not place.root.exists()


def test_each_model_has_evaluations_of_its_own_with_the_report_among_them(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.evaluation("one") != workspace.evaluation("other")
    assert workspace.evaluations in workspace.evaluation("one").parents
    assert workspace.evaluation_report("one").parent == workspace.evaluation("one")
    for path in (
        workspace.evaluation_replies("one"),
        workspace.evaluation_scores("one"),
        workspace.evaluation_part("one", "d1", "effect"),
    ):
        assert workspace.evaluation("one") in path.parents
    assert workspace.evaluation_part("one", "d1", "effect") != workspace.evaluation_part("one", "d2", "effect")
    assert workspace.rollouts("one") != workspace.rollouts("other")
    assert workspace.archetype_file("pirate").parent == workspace.archetypes


def test_the_name_of_a_dataset_never_leads_out_of_its_folder(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.persona_dataset("sage").parent == workspace.persona_datasets
    with pytest.raises(PersonaError, match="is not a persona name"):
        workspace.persona_dataset("../sage")


def test_a_workspace_exists_once_it_has_a_config(tmp_path: Path) -> None:
    assert Workspace(make_workspace(tmp_path)).exists
