"""Steering done twice more, without the product's own code path: plain PyTorch hooks, and a pure nnsight edit."""

import warnings

import torch


def steer(hidden, plan, layer, mask):
    """Apply one layer's part of a plan as the definition says it; `mask` is False at padding and first tokens."""
    steered = hidden
    for item in plan.additions:
        if item.layer == layer:
            steered = steered + item.direction
    for item in plan.clamps:
        if item.layer == layer:
            projection = (steered * item.unit_direction).sum(-1, keepdim=True)
            lift = (item.low - projection).clamp_min(0)
            margin = 1.5 * torch.finfo(hidden.dtype).eps * (steered * item.unit_direction).norm(dim=-1, keepdim=True)
            steered = steered + torch.where(lift > 0, lift + margin, lift) * item.unit_direction
    if hidden.shape[1] == 1:
        return steered
    return torch.where(mask.unsqueeze(-1), steered, hidden)


def steered_positions(mask):
    """Return which prompt positions are steered: real tokens but each row's first."""
    return mask & (mask.long().cumsum(1) > 1)


def hook_tokens(model, prompts, plan, n_tokens):
    """Return greedy tokens of transformers' own `generate` with plain forward hooks."""
    ids, mask = model.pad(prompts)
    kept = steered_positions(mask)
    handles = []
    for layer in plan.layers:
        block = model._model.get_submodule(model._layers_path)[layer]
        handles.append(block.register_forward_hook(lambda _, __, output, layer=layer: steer(output, plan, layer, kept)))
    try:
        return _generate(model._model.generate, model, ids, mask, n_tokens)
    finally:
        for handle in handles:
            handle.remove()


def nnsight_tokens(model, prompts, plan, n_tokens):
    """Return greedy tokens of a pure nnsight edit that reaches every step; an empty plan rewrites layer 0 as it is."""
    ids, mask = model.pad(prompts)
    kept = steered_positions(mask)
    with model.nnsight.edit() as (tracer, edited):
        for _ in tracer.iter[:]:
            for layer in plan.layers or (0,):
                envoy = edited.get(model._layers_path)[layer]
                envoy.output = steer(envoy.output, plan, layer, kept)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*was never reached: the loop asked for a step.*")
        return _generate(edited.generate, model, ids, mask, n_tokens)


def _generate(generate, model, ids, mask, n_tokens):
    with torch.inference_mode():
        whole = generate(
            input_ids=ids,
            attention_mask=mask.long(),
            max_new_tokens=n_tokens,
            do_sample=False,
            pad_token_id=model.tokenizer.pad_token_id,
            streamer=None,
        )
    return [_cut(model, row[ids.shape[1] :].tolist()) for row in whole]


def _cut(model, tokens):
    """Cut a row after its first end token."""
    for place, token in enumerate(tokens):
        if token in model.end_tokens:
            return tokens[: place + 1]
    return tokens
