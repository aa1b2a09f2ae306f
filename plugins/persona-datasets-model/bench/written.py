"""How much of what a model writes serves, by filter, for three descriptions; and an example of what is kept.

python plugins/persona-datasets-model/bench/written.py [--model smollm2] [--replies 24]
"""

import argparse

from persona_datasets_model.generator import prompt_request, prompt_sieve, prompts_of, question_request, question_sieve
from persona_datasets_model.sieve import Sieve, list_items
from persona_datasets_model.writing import replies

from persona_core import ModelWrapper, get_config

DESCRIPTIONS = {
    "corsair": "a grumpy pirate captain who loves the sea",
    "librarian": "a shy librarian who quotes old books",
    "coach": "a loud sports coach who believes in everyone",
}
REASONS = ("form", "length", "leak", "duplicate")


def main() -> None:
    """Print a row a description and kind of text."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="smollm2")
    parser.add_argument("--replies", type=int, default=24)
    options = parser.parse_args()
    model = ModelWrapper(get_config(model=options.model))
    print(f"{'':10} {'':9} {'seen':>5} {'kept':>6}  " + "  ".join(f"{reason:>9}" for reason in REASONS))
    for name, who in DESCRIPTIONS.items():
        prompts, questions = looked_through(model, name, who, options.replies)
        print_row(name, "prompts", prompts)
        print_row(name, "questions", questions)
        print(f"  {prompts.kept[0]}\n  {' '.join(questions.kept[:3])}")


def looked_through(model: ModelWrapper, name: str, who: str, count: int) -> tuple[Sieve, Sieve]:
    """Return the sieves of both kinds after so many replies."""
    request = prompt_request(who)
    prompts = prompt_sieve(request)
    for reply in replies(model, request, 0, count):
        prompts.add(prompts_of(reply))
    request = question_request(who)
    questions = question_sieve(request, name, who)
    for reply in replies(model, request, 0, count):
        questions.add(list_items(reply))
    return prompts, questions


def print_row(name: str, kind: str, sieve: Sieve) -> None:
    """Print the share that is kept and the shares that each filter drops."""
    shares = "  ".join(f"{sieve.dropped[reason] / sieve.seen:9.0%}" for reason in REASONS)
    print(f"{name:10} {kind:9} {sieve.seen:5} {len(sieve.kept) / sieve.seen:6.0%}  {shares}", flush=True)


if __name__ == "__main__":
    main()
