"""Training: recipes, data, and the loop."""
