"""What providers that speak HTTP share: images in responses, images at URLs, and what an error means."""
