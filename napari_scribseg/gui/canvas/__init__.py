"""What lies on napari's canvas: the only room that knows napari's layers."""
