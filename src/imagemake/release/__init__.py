"""What is handed over: pictures under their names, the manifest, numbers and the contact sheet."""
