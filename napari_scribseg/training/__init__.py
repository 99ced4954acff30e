"""The only training loop, and everything around it that needs torch."""
