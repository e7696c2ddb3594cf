"""What users own, as frozen values, and how it becomes rows of the snapshot; knows no file format and no core."""
