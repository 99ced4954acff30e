"""Label propagation: from scribbles to denser labels."""
