"""lmms-eval's tasks, ``lmms:NAME``: its prompts, scoring and aggregation; our engine, error bars and run folder.

lmms-eval itself is imported when such a task is named, and must be installed then; see `library`.
"""
