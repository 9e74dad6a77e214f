"""What the engine is made of: the tree of keys and values, packed models, requests, pictures, budgets, and rows."""
