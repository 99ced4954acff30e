"""The Case tab: the project, its cases, and how they are opened."""
