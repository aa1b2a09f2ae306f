"""Settings: what the user has chosen and installed: workspace, configuration, the table of what packages brought.

May import `base`.
"""
