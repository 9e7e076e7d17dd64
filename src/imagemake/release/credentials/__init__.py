"""Content credentials (C2PA): certificates, claims, signing, and reading. Only `library` calls the C2PA library."""
