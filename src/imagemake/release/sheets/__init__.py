"""Several images of a release side by side in one."""
