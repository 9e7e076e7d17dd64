"""Object storage and other remote storage, by address."""
