"""Chat: a conversation without a screen. May import `engine`, `extraction` and below."""
