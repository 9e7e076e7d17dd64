"""What is handed over: images under their names, the manifest, numbers and the contact sheet."""
