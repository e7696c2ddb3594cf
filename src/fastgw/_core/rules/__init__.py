"""Rules at run time: values, sets, and the evaluator of a compiled image; no Python in any of it."""
