"""The Scribble tab: drawing, and help with it."""
