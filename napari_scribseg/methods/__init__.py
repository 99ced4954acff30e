"""The methods: a folder each, with what they are (a `MethodSpec`, no torch) and how they learn."""
