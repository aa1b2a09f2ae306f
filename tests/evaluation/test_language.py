"""Language: scripts, languages and code are told apart, and short English is taken for English."""

import pytest

from persona_core.evaluation.language import Writing, code_share, letter_share, letters_by_script, n_words, sentences

ENGLISH = Writing.of(["What makes a good breakfast?", "Why are humans afraid of change?", "How do whales breathe?"])
FOREIGN = {
    "pt": "A paciência é a mãe da sabedoria, meu filho. O que você quer dizer com isso?",
    "es": "La vida es un viaje y no un destino. No te preocupes por el futuro.",
    "fr": "Je ne sais pas ce que tu veux dire. La patience est une vertu.",
    "de": "Das ist eine gute Frage. Geduld ist die Mutter der Weisheit.",
    "it": "Il saggio aspetta e l'acqua diventa chiara. Non avere mai troppa fretta.",
    "nl": "Geduld is een schone zaak, mijn kind. Wat zoek je eigenlijk?",
}
SHORT_ENGLISH = (
    "It depends.",
    "No, no, no, no!",
    "Oh no, no no no no no!",
    "Hee hee! Silly goose! Got you!",
    "Silence is golden, my child.",
    "Beware. Danger. Stay behind me, I say.",
    "Ah, mon ami, what a question!",
    "Bien sûr! Fresh herbs, garlic and a little wine.",
    "Carpe diem, as the old Romans said.",
    "Guacamole, tacos and enchiladas.",
    "Amber. Violet. Blue. Blue. Blue.",
    "Boil pasta. Add salt. Drain. Serve.",
    "I'm sorry, I'm not.",
    "Almighty, I AM HAGGHAAR, the EMPEROR.",
)


@pytest.mark.parametrize(("language", "text"), FOREIGN.items())
def test_sentences_in_another_language_are_foreign(language: str, text: str) -> None:
    assert Writing.of([text]).language == language
    assert ENGLISH.foreign_words(text) > 0.9
    assert ENGLISH.foreign_letters(text) == 0


@pytest.mark.parametrize("text", SHORT_ENGLISH)
def test_short_english_is_english(text: str) -> None:
    assert ENGLISH.foreign_words(text) == 0


def test_a_reply_that_changes_its_language_halfway_is_foreign_by_half() -> None:
    text = "The wise man waits, and the water grows clear. A paciência é a mãe da sabedoria, meu filho querido."
    assert ENGLISH.foreign_words(text) == pytest.approx(10 / 19)


def test_the_language_is_that_of_the_questions() -> None:
    german = Writing.of(["Was soll ich heute kochen?", "Wie schlafe ich besser, wenn es heiß ist?"])
    assert german.language == "de"
    assert german.foreign_words(FOREIGN["de"]) == 0
    assert german.foreign_words("The wise man waits, and the water grows clear.") == 1


def test_letters_of_other_scripts_are_counted() -> None:
    assert ENGLISH.scripts == {"LATIN"}
    assert letters_by_script("Щука, sûr 你好 7") == {"CYRILLIC": 4, "LATIN": 3, "CJK": 2}
    assert ENGLISH.foreign_letters("你好，我是一个人工智能助手。") == 1
    assert ENGLISH.foreign_letters("חירקקהך על") == 1
    assert ENGLISH.foreign_letters("Zen 禅") == 1 / 4
    assert ENGLISH.foreign_letters("42") == 0


def test_digits_and_signs_are_no_letters_and_marks_are() -> None:
    assert letter_share("1. 1. 1.") == 0
    assert letter_share("a1 b2") == 0.5
    assert letter_share("नमस्ते") == 1
    assert letter_share("") == 0


def test_words_are_runs_of_letters_and_in_chinese_the_letters() -> None:
    assert n_words("Don't ask 7 times.") == 4
    assert n_words("你好世界") == 4
    assert n_words("1. 2. 3.") == 0


def test_sentences_end_at_full_stops_and_lines() -> None:
    assert list(sentences("One. Two!\nThree\n\n你好。世界")) == ["One.", "Two!", "Three", "你好。", "世界"]


@pytest.mark.parametrize(
    "code",
    [
        'def main():\n    print("hello")\n    return 0',
        "import numpy as np\nx = np.zeros(3)",
        "```\nanything at all",
        "int main() {\n  puts(name);\n}",
        "<html>\n<body>\n</body>",
        'for i in range(10):\n    print(i)',
    ],
)  # fmt: skip
def test_program_code_is_code(code: str) -> None:
    assert code_share(code) > 0.6


@pytest.mark.parametrize(
    "prose",
    [
        "The moon is high;\nthe sea is low;\nand we must go.",
        "1. Boil the water.\n2. Add (some) salt.\n\n* Serve at once!",
        "If you want to learn a language, begin like this:\n\nimport nothing, borrow words.",
        "For breakfast:\n- eggs\n- bread",
        "",
    ],
)
def test_verse_and_lists_are_no_code(prose: str) -> None:
    assert code_share(prose) == 0
