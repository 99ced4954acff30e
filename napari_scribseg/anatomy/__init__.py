"""Random anatomy: synthetic label maps and images that a network learns from before any patient."""
