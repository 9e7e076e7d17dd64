"""XMP and content credentials inside image files, read and written without touching a pixel."""
