"""Stability: the figures are those that extraction stored with the vectors."""

from persona_core.evaluation.stability import StabilityResult, stored_stability


def test_stability_is_read_from_the_headers_and_leaves_out_a_persona_without_it(evaluation):
    sage = evaluation.manager.persona("sage")
    evaluation.manager.save(sage.with_header(measured={"split_half_cosine": 0.8, "half_whole_cosine": 0.9}))
    stability = stored_stability(evaluation)
    assert stability == StabilityResult(split_half={"sage": 0.8}, half_whole={"sage": 0.9})


def test_stability_that_nothing_stored_can_be_written_and_read(evaluation):
    sage = evaluation.manager.persona("sage")
    evaluation.manager.save(sage.with_header(measured={}))
    stability = stored_stability(evaluation)
    assert StabilityResult.model_validate_json(stability.model_dump_json()) == stability
