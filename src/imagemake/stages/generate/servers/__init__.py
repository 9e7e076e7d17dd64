"""Servers that the build starts: one supervisor per server and machine, shared by the jobs that call it."""
