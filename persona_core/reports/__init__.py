"""Reports: figures as tables, pages and pictures. May import `chat`, `evaluation` and below."""
