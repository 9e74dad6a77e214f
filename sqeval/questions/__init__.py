"""Question quality: how good are the questions that a model asks about images?

normalise, taxonomy       what a text asks, without the format around it
wellformed, diversity     groups W and D: from the text alone
relevance, premises       group G: does it fit its image, by captions and object labels
answering                 group A: can it be answered, and only from the image
usable                    gates, the funnel, and UQ@k: distinct usable questions an image
metrics                   the register: what each number means, and how it must react
"""
