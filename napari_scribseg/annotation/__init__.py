"""What strokes mean: what is missing, what lies outside, what may be simulated or accepted."""
