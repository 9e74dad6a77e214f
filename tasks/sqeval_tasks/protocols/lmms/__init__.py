"""The tasks as lmms-eval 0.7.3 does them (EvolvingLMMs-Lab/lmms-eval): its prompts, settings and scorers, read in its
source.

Generation is that of its adapter `llava`, which ignores stop texts, allows 1,024 new tokens where a task sets no limit,
and samples wherever a task sets a temperature.
"""
