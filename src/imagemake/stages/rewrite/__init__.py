"""Stage `rewrite`: better prompts for rejected images."""
