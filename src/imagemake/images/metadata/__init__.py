"""XMP and content credentials in image files, read and written without changing a pixel."""
