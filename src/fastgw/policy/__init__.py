"""What users own, as frozen values, and how it becomes rows; knows no file format and no core."""
