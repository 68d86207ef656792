"""Model folders: where they are, what they are called, and what makes two of them the same."""
