"""The rules language: text becomes a typed tree, and rules in order become an image that the core runs."""
