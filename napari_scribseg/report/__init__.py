"""Figures and reports on trained runs."""
