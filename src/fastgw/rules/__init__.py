"""The rules language: expressions over the head of a request, from text to programs."""
