"""What the mirrors on the Hugging Face hub hold, benchmark by benchmark, and the official files that it makes.

Columns as the data sets' cards (lmms-lab) and the task code of lmms-eval have them.
"""
