"""Plain values that everything else is made of: errors, settings, labels, volumes, events."""
