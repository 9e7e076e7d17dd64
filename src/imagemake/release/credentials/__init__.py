"""Content credentials (C2PA): who signs, what a claim says, and reading one back. Only `library` knows the library."""
