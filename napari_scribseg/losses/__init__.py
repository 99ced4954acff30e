"""Terms of losses, as functions of tensors."""
