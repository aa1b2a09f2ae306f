"""Pictures of personas, evaluations and conversations: one a module, from plain data to a matplotlib figure.

Each module has a `read_...` or a data class, and a `draw` that returns a figure. `theme` has the colours of light and
dark pages, `figure` the empty figure, its labels and its files, `conversation` reads saved conversations. matplotlib is
imported when a figure is drawn, and nothing here imports torch.
"""
