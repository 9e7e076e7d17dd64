"""Asks models about images that other checks do not reject; each answer is paid for once."""
