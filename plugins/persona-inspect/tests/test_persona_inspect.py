import gc
import logging
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inspect_ai import Task, eval
from inspect_ai._util.error import PrerequisiteError
from inspect_ai.log import EvalLog, read_eval_log
from inspect_ai.model import (
    ChatMessage,
    ChatMessageAssistant,
    ChatMessageSystem,
    ChatMessageTool,
    ChatMessageUser,
    ContentImage,
    ContentText,
    GenerateConfig,
    Model,
    ModelOutput,
    get_model,
)
from inspect_ai.tool import ToolCall, ToolInfo
from persona_inspect.provider import PersonaAPI
from persona_inspect.requests import check_config, messages_of
from persona_inspect.settings import read_settings

from persona_core import Config, Sampling, SteeringEngine
from persona_core.errors import PersonaError, PromptError, SteeringError

EXAMPLE = Path(__file__).parents[1] / "examples" / "plain_answers.py"
SHORT = GenerateConfig(max_tokens=4, temperature=0.8)


@pytest.fixture(scope="module", autouse=True)
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Point every test at one empty workspace, so that the model is loaded once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERSONA_STEER_HOME", str(tmp_path_factory.mktemp("home")))
        yield


@pytest.fixture(scope="module", autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Take back what an evaluation changes for the whole process: log levels, a handler, and the exception hook."""
    root, hook = logging.getLogger(), sys.excepthook
    loggers = [root, *map(logging.getLogger, ("httpx", "httpx2"))]
    levels, handlers = [logger.level for logger in loggers], list(root.handlers)
    yield
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)
    root.handlers[:] = handlers
    sys.excepthook = hook


@pytest.fixture(scope="module")
def plain_answers() -> Callable[..., Task]:
    """Return the example's task."""
    spec = spec_from_file_location("plain_answers", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    task: Callable[..., Task] = module.plain_answers
    return task


def steered(**arguments: object) -> Model:
    """Return a new model of the provider on the embedded model."""
    return get_model("persona/smollm2", memoize=False, **arguments)


def api(model: Model) -> PersonaAPI:
    """Return the provider's part of a model."""
    assert isinstance(model.api, PersonaAPI)
    return model.api


def outputs(model: Model, asked: Sequence[str], config: GenerateConfig = SHORT) -> list[ModelOutput | Exception]:
    """Return what comes of questions that are asked at the same time."""
    found: list[ModelOutput | Exception] = [Exception("not asked")] * len(asked)

    async def ask(place: int) -> None:
        try:
            found[place] = await model.generate(asked[place], config=config)
        except PersonaError as error:
            found[place] = error

    async def together() -> None:
        async with anyio.create_task_group() as group:
            for place in range(len(asked)):
                group.start_soon(ask, place)

    anyio.run(together)
    return found


def receipts(output: ModelOutput | Exception) -> list[dict[str, Any]]:
    """Return the receipts of an output."""
    assert isinstance(output, ModelOutput), output
    assert output.metadata is not None
    found: list[dict[str, Any]] = output.metadata["receipts"]
    return found


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Unclosed <MemoryObject:ResourceWarning")
def test_an_evaluation_runs_in_batches_and_its_log_holds_every_receipt(
    plain_answers: Callable[..., Task], tmp_path: Path
) -> None:
    model = steered(persona="sage", strength=0.5)
    engine = api(model).engine
    before = engine.model.n_steps
    (done,) = eval(plain_answers(5), model=model, epochs=2, log_dir=str(tmp_path), display="none", temperature=0.8)
    assert done.status == "success", done.error
    assert engine.model.n_steps - before <= 2 * 5, "twelve replies of five tokens did not share forwards"
    log = read_eval_log(done.location)
    assert (log.eval.model, log.eval.model_args) == ("persona/smollm2", {"persona": "sage", "strength": 0.5})
    check_samples(log, engine)
    gc.collect()  # Inspect leaves streams open, which the warning filter of this test alone covers


def check_samples(log: EvalLog, engine: SteeringEngine) -> None:
    """Assert what every sample holds, and that its reply is the one that its question gets alone."""
    assert len(log.samples or []) == 12
    for sample in log.samples or []:
        (receipt,) = receipts(sample.output)
        assert (receipt["personas"], receipt["strength"], receipt["safety"]) == ({"sage": 1.0}, 0.5, "on")
        assert receipt["floor"]["hits"] >= 0
        assert receipt["relative_change"]
        assert receipt["seed"] in (0, 1)
        assert sample.output.metadata is not None
        assert sample.output.metadata["sampling"] == {"max_new_tokens": 5, "temperature": 0.8, "top_p": 0.95}
        assert sample.output.usage is not None
        assert sample.output.usage.input_tokens == receipt["prompt_tokens"]
        assert sample.output.usage.output_tokens == receipt["reply_tokens"] <= 5
        assert sample.output.stop_reason == {"length": "max_tokens", "end": "stop"}[receipt["finish"]]
    first = (log.samples or [])[0]
    seed = receipts(first.output)[0]["seed"]
    (alone,) = engine.generate([str(first.input)], "sage", strength=0.5, sampling=Sampling(5, 0.8), seed=seed)
    assert alone.text == first.output.completion
    seeds = {(sample.id, receipts(sample.output)[0]["seed"]) for sample in log.samples or []}
    assert len(seeds) == 12


@pytest.mark.slow
def test_models_that_differ_in_steering_share_the_weights_and_not_the_address() -> None:
    chosen: list[dict[str, object]] = [
        {}, {"persona": "sage"}, {"persona": "trickster"}, {"persona": "sage", "strength": 0.5},
        {"persona": "sage", "safety": "off"}, {"persona": "sage", "seed": 1},
        {"blend": "sage:0.5,trickster:0.3"},
    ]  # fmt: skip
    models = [steered(**arguments) for arguments in chosen]
    assert len({id(api(model).engine) for model in models}) == 1
    assert len({api(model).base_url for model in models}) == len(models)
    again = api(steered(persona="sage"))
    assert again.base_url == api(models[1]).base_url
    assert get_model("persona/smollm2", base_url=again.base_url, persona="sage", memoize=False)


@pytest.mark.slow
def test_the_cached_output_of_one_persona_is_not_handed_to_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("INSPECT_CACHE_DIR", str(tmp_path))
    config = SHORT.merge(GenerateConfig(cache=True))
    sage, trickster = steered(persona="sage"), steered(persona="trickster")
    first, other = (receipts(outputs(model, ["Hello"], config)[0])[0] for model in (sage, trickster))
    assert (first["personas"], other["personas"]) == ({"sage": 1.0}, {"trickster": 1.0})
    before = api(sage).engine.model.n_steps
    assert receipts(outputs(sage, ["Hello"], config)[0]) == [first]
    assert api(sage).engine.model.n_steps == before


@pytest.mark.slow
def test_safety_is_off_only_where_it_is_written_out() -> None:
    found = [
        receipts(outputs(steered(persona="trickster", **more), ["Hello"])[0])[0]["safety"]
        for more in ({}, {"safety": False}, {"safety": "off"}, {"safety": "on"})
    ]
    assert found == ["on", "off", "off", "on"]


@pytest.mark.slow
def test_choices_have_a_seed_each_and_a_run_that_is_repeated_says_the_same() -> None:
    model = steered(persona="sage", seed=7)
    config = SHORT.merge(GenerateConfig(num_choices=3))
    first, second = (outputs(model, ["What is luck?"], config)[0] for _ in range(2))
    assert [receipt["seed"] for receipt in receipts(first)] == [7, 8, 9]
    assert receipts(first) == receipts(second)
    assert isinstance(first, ModelOutput)
    assert len(first.choices) == 3
    assert first.usage is not None
    assert first.usage.output_tokens == sum(receipt["reply_tokens"] for receipt in receipts(first))


@pytest.mark.slow
def test_a_request_that_cannot_be_served_fails_alone() -> None:
    found = outputs(steered(persona="sage"), ["What is fire?", "word " * 9000, "What is rain?"])
    assert isinstance(found[1], PromptError)
    assert "context" in str(found[1])
    for output in (found[0], found[2]):
        assert receipts(output)[0]["personas"] == {"sage": 1.0}


@pytest.mark.slow
def test_a_request_that_is_given_up_holds_back_no_other() -> None:
    model = steered(persona="sage")
    found: list[ModelOutput] = []

    async def ask() -> None:
        found.append(await model.generate("What is fire?", config=SHORT))

    async def together() -> None:
        async with anyio.create_task_group() as group:
            with anyio.move_on_after(0.01):
                group.start_soon(ask)
                await model.generate("What is rain?", config=SHORT)
        await ask()

    anyio.run(together)
    assert [receipts(output)[0]["seed"] for output in found] == [0, 1]


@pytest.mark.slow
def test_a_policy_that_reads_the_conversation_tightens_in_an_evaluation_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = "# persona-steer\nmodel:\n  name: smollm2\nsteering:\n  capping_policy: assistant-guard\n"
    (tmp_path / "config.yaml").write_text(config)
    monkeypatch.setenv("PERSONA_STEER_HOME", str(tmp_path))
    model = steered(persona="trickster")
    first = anyio.run(partial(model.generate, "Hello", config=SHORT))
    read = receipts(first)[0]["assistant_projection"]
    assert first.message.metadata == {"persona-steer": {"assistant": read}}
    plans = []
    for reading in (1000.0, -1000.0):
        drifted = ChatMessageAssistant(content=first.completion, metadata={"persona-steer": {"assistant": reading}})
        chat = [ChatMessageUser(content="Hello"), drifted, ChatMessageUser(content="Again")]
        plans.append(receipts(anyio.run(partial(model.generate, chat, config=SHORT)))[0]["plan"])
    assert plans[0] == receipts(first)[0]["plan"] != plans[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"persona": "saeg"}, "no persona named 'saeg' for smollm2-135m-instruct; did you mean 'sage'"),
        ({"persona": "sage", "strength": 2.5}, "strength 2.5 is out of range: use 0.0-2.0"),
        ({"persona": "sage", "strength": "much"}, "-M strength=much: write a number"),
        ({"strength": 0.5}, "-M strength: say who speaks"),
        ({"persona": "sage", "blend": "sage:1"}, "give one of them, not both"),
        ({"blend": ["sage:0.5", "trickster:3"]}, "the weight of 'trickster' is 3: use 0.0-2.0"),
        ({"persona": ["sage", "trickster"]}, "write a name"),
        ({"persona": "sage", "safety": "maybe"}, "-M safety=maybe: write on, always or off"),
        ({"persona": "sage", "safety": 0}, "-M safety=0: write on, always or off"),
        ({"seed": -1}, "-M seed=-1: write a whole number"),
        ({"max_batch": 0}, "-M max_batch=0: write a whole number, 1-256"),
        ({"persna": "sage"}, "-M persna: no such setting; did you mean 'persona'"),
        ({"base_url": "http://127.0.0.1:8000"}, "has no address such as http://127.0.0.1:8000"),
        ({"config": GenerateConfig(top_k=5)}, "does not serve: top_k"),
    ],
)
def test_wrong_settings_are_one_line_before_anything_runs(arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(PrerequisiteError) as caught:
        steered(**arguments)
    line = str(caught.value.message).replace("\\", "")
    assert line.startswith("ERROR: ")
    assert "\n" not in line
    assert said in line


def test_a_blend_is_read_as_the_command_line_hands_it_on() -> None:
    as_text, as_list = "sage:0.5,trickster:0.3", ["sage:0.5", "trickster:0.3"]
    for blend in (as_text, as_list):
        assert read_settings({"blend": blend}, Config()).steering.personas == {"sage": 0.5, "trickster": 0.3}


@pytest.mark.parametrize(
    "values",
    [
        {"stop_seqs": ["x"]}, {"top_k": 3}, {"logprobs": True}, {"frequency_penalty": 0.5}, {"best_of": 2},
        {"logit_bias": {3: 1}}, {"batch": True}, {"reasoning_effort": "low"}, {"num_choices": 0}, {"seed": -1},
        {"extra_body": {"x": 1}}, {"presence_penalty": 0.5},
    ],
)  # fmt: skip
def test_an_option_that_is_not_served_is_an_error(values: dict[str, Any]) -> None:
    with pytest.raises(SteeringError, match=next(iter(values))):
        check_config(GenerateConfig(**values))


def test_options_that_inspect_carries_out_are_let_through() -> None:
    check_config(SHORT.merge(GenerateConfig(max_retries=1, timeout=5, cache=True, batch=False, logprobs=False)))


def test_tools_are_refused() -> None:
    async def ask() -> None:
        tool = ToolInfo(name="bash", description="runs a command")
        await api(steered(persona="none")).generate([ChatMessageUser(content="Hi")], [tool], "auto", SHORT)

    with pytest.raises(PromptError, match="calls no tools, and was given bash"):
        anyio.run(ask)


@pytest.mark.parametrize(
    ("chat", "said"),
    [
        ([], "ends with nobody"),
        ([ChatMessageUser(content="Hi"), ChatMessageAssistant(content="He")], "ends with assistant"),
        ([ChatMessageTool(content="3"), ChatMessageUser(content="Hi")], "holds a tool call"),
        ([ChatMessageUser(content=[ContentImage(image="data:image/png;base64,AA==")])], "this message holds image"),
        (
            [
                ChatMessageAssistant(content="", tool_calls=[ToolCall(id="1", function="f", arguments={})]),
                ChatMessageUser(content="Hi"),
            ],
            "holds a tool call",
        ),
    ],
)
def test_a_conversation_that_is_not_text_is_an_error(chat: list[ChatMessage], said: str) -> None:
    with pytest.raises(PromptError, match=said):
        messages_of(chat)


@given(st.lists(st.text(max_size=5), max_size=4), st.text(max_size=5))
def test_every_word_of_a_conversation_reaches_the_model(turns: list[str], last: str) -> None:
    kinds = (ChatMessageSystem, ChatMessageUser, ChatMessageAssistant)
    chat = [kinds[place % 3](content=text) for place, text in enumerate(turns)]
    found = messages_of([*chat, ChatMessageUser(content=[ContentText(text=last)])])
    assert [message["content"] for message in found] == [*turns, last]
    assert [message["role"] for message in found[:-1]] == [message.role for message in chat]
