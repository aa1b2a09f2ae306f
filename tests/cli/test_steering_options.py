"""The options of `generate` and `chat` become one request; what is left out is as configured."""

from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from persona_core import PersonaManager, get_config
from persona_core.cli.steering_options import SteeringOptions, steering_options
from persona_core.errors import VectorNotFound

NONE = SteeringOptions(None, None, None, None, None, None, None, None, 0, "", False, False)


@pytest.fixture
def manager(workspace_folder: Path) -> PersonaManager:
    return PersonaManager(get_config(workspace_folder, model="smollm2"))


def test_what_is_not_given_is_as_configured(manager: PersonaManager) -> None:
    config = manager.config
    request = NONE.request(config, {"sage": 1.0})
    assert (request.strength, request.safety) == (config.steering.default_strength, config.steering.safety)
    sampling, configured = NONE.sampling(config), config.generation
    assert sampling.max_new_tokens == configured.max_new_tokens
    assert (sampling.temperature, sampling.top_p) == (configured.temperature, configured.top_p)


def test_zero_is_given_and_not_left_out(manager: PersonaManager) -> None:
    options = replace(NONE, strength=0.0, temperature=0.0, guidance=0.0)
    assert options.request(manager.config, {"sage": 1.0}).strength == 0
    assert options.sampling(manager.config).temperature == 0
    guided = manager.config.replace({"steering.decoding": "guided"})
    assert options.request(guided, {"sage": 1.0}).guidance == 0
    assert NONE.request(guided, {"sage": 1.0}).guidance == 2


@pytest.mark.parametrize(
    ("changes", "personas"),
    [({}, {}), ({"persona": "none"}, {}), ({"persona": "sage"}, {"sage": 1.0}), ({"blend": "sage:0.5"}, {"sage": 0.5})],
)
def test_a_persona_a_blend_or_nobody_speaks(changes: dict[str, str], personas: dict[str, float]) -> None:
    assert replace(NONE, **changes).personas() == personas


def test_options_that_exclude_each_other_are_a_wrong_command_line() -> None:
    with pytest.raises(click.UsageError, match="not both"):
        replace(NONE, persona="sage", blend="sage:1").personas()
    with pytest.raises(click.UsageError, match="not both"):
        replace(NONE, with_prompt=True, prompt_only=True).prompting()


def test_the_system_prompt_of_the_persona_comes_before_the_users(manager: PersonaManager) -> None:
    own = manager.archetype("sage").system_prompts[0]
    options = replace(NONE, persona="sage", with_prompt=True, system="Be brief.")
    system, question = options.messages(manager, "Why?", options.personas())
    assert system["content"] == f"{own}\n\nBe brief."
    assert question == {"role": "user", "content": "Why?"}
    assert replace(options, with_prompt=False, prompt_only=True).request(manager.config, {"sage": 1.0}).personas == {}


def test_an_unknown_persona_is_refused_before_a_model_is_loaded(manager: PersonaManager) -> None:
    with pytest.raises(VectorNotFound, match="did you mean 'sage'"):
        replace(NONE, persona="sgae").check(manager)


@pytest.mark.parametrize("arguments", ["--strength nan", "--strength 2.1", "--top-p 0", "--seed -1", "--guidance 11"])
def test_numbers_out_of_range_are_a_wrong_command_line(arguments: str) -> None:
    @click.command()
    @steering_options
    def command(options: SteeringOptions) -> None:
        click.echo(options.strength)

    assert CliRunner().invoke(command, arguments.split()).exit_code == 2
    assert CliRunner().invoke(command, ["--strength", "1.5"]).stdout == "1.5\n"
