"""The Results tab: predictions, and what they are worth."""
