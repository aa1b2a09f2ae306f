"""Six everyday questions, each scored by a word that a plain answer holds.

inspect eval plain_answers.py --model persona/smollm2 -M persona=sage -M strength=0.5
"""

from inspect_ai import Task, task
from inspect_ai.dataset import Sample
from inspect_ai.scorer import includes
from inspect_ai.solver import generate

QUESTIONS = {
    "What is the capital of France?": "Paris",
    "What colour is the sky on a clear day?": "blue",
    "How many days are in a week?": "seven",
    "What do bees make?": "honey",
    "What is frozen water called?": "ice",
    "Which planet do we live on?": "Earth",
}


@task
def plain_answers(max_tokens: int = 24) -> Task:
    """Does the model still answer plainly while it is steered?"""
    samples = [Sample(input=question, target=answer) for question, answer in QUESTIONS.items()]
    return Task(dataset=samples, solver=generate(max_tokens=max_tokens), scorer=includes())
