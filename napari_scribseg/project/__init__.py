"""A project: a folder with cases and strokes, and how nothing of it is lost."""
