"""Programs of the rules language, run over a request head without Python."""
