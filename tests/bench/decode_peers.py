"""The peers of `decode_speed.py`, each on a copy of its own, adding the same vectors at the same layers.

`pip install --no-deps steering-vectors repeng saklas repsteer nnterp` and scikit-learn bring them all; one that cannot
be set up is left out, with the reason on stderr.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import torch
from bench_tools import Work, say

Added = dict[int, torch.Tensor]


def peers(bench: Any, added: Added) -> Iterator[tuple[str, Work]]:
    """Yield the name and the work of every peer that makes `bench.tokens` tokens here."""
    makers: tuple[Callable[[Any, Added], Work], ...] = (steering_vectors, repeng, saklas, repsteer, nnterp)
    for make in makers:
        name = make.__name__.replace("_", "-")
        try:
            work = make(bench, added)
            work()
        except Exception as error:
            say(f"{name} is left out: {type(error).__name__}: {' '.join(str(error).split())[:160]}")
        else:
            yield name, work


def own_copy(bench: Any) -> Any:
    """Return a copy of the plain model that shares its weights."""
    return copy.deepcopy(bench.plain, {id(weight): weight for weight in bench.plain.parameters()})


def steering_vectors(bench: Any, added: Added) -> Work:
    """Return generation under steering-vectors' hooks."""
    from steering_vectors import SteeringVector

    plain, vector = own_copy(bench), SteeringVector(added, "decoder_block")

    def work() -> None:
        with vector.apply(plain, min_token_index=0):
            bench.generate(model=plain)

    return work


def repeng(bench: Any, added: Added) -> Work:
    """Return generation with repeng's wrapped layers."""
    import numpy as np

    vars(np).setdefault("float_", np.float64)  # repeng 0.4.0 names it in its annotations; numpy 2 has not got it
    from repeng import ControlModel, ControlVector

    control = ControlModel(own_copy(bench), list(added))
    control.set_control(ControlVector("llama", {layer: row.numpy() for layer, row in added.items()}))
    return lambda: bench.generate(model=control)


def saklas(bench: Any, added: Added) -> Work:
    """Return generation with saklas's session: its own loop and hooks, greedy."""
    from saklas import Profile, SaklasSession, SamplingConfig

    session = SaklasSession(own_copy(bench), bench.model.tokenizer, probes=[])
    session.steer("ours", Profile(dict(added)))
    sampling = SamplingConfig(temperature=0.0, max_tokens=bench.tokens)

    def work() -> None:
        found = session.generate(bench.question, steering="0.5 ours", sampling=sampling, stateless=True)
        tokens = found[0].token_count
        assert tokens == bench.tokens, f"{tokens} tokens"

    return work


def repsteer(bench: Any, added: Added) -> Work:
    """Return generation under repsteer's plan of additions."""
    import repsteer as rs
    from repsteer.artifacts.base import ArtifactMetadata

    model = rs.models.from_model(own_copy(bench), bench.model.tokenizer)
    hidden = bench.model.identity.hidden_size
    plan = [
        rs.Intervention(
            artifact=rs.DirectionArtifact(ArtifactMetadata(site=rs.sites.resid_post(layer), hidden_size=hidden), row),
            operator=rs.operators.Add(),
            positions=rs.positions.AllTokens(),
            strength=rs.schedules.Constant(1.0),
        )
        for layer, row in added.items()
    ]

    def work() -> None:
        with model.steer(rs.SteeringPlan(plan), compatibility="dimension"):
            bench.generate(model=model.raw_model)

    return work


def nnterp(bench: Any, added: Added) -> Work:
    """Return generation with nnterp on nnsight: one intervention a token at every layer."""
    from nnterp import StandardizedTransformer

    model = StandardizedTransformer(own_copy(bench), tokenizer=bench.model.tokenizer, check_renaming=False)
    ids = torch.tensor([bench.prompt])

    def work() -> None:
        options = {"max_new_tokens": bench.tokens, "do_sample": False, "eos_token_id": None, "pad_token_id": 0}
        with torch.inference_mode(), model.generate(ids, **options) as tracer, tracer.all():
            for layer, row in added.items():
                model.layers_output[layer] = model.layers_output[layer] + row

    return work
