"""Object storage and any other place that files go to or come from, by its address."""
