"""Widgets without a subject: style, forms, plots, tables."""
