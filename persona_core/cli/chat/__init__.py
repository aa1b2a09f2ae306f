"""`persona-steer chat`: a conversation whose persona, strength and safety can change at any turn.

`command` reads the options and starts, `loop` reads and answers, `registry` knows the slash commands, `screen` shows
and `editor` reads. The session itself, without screen and keyboard, is `persona_core.chat.session`.
"""

from persona_core.cli.chat.command import command

__all__ = ["command"]
