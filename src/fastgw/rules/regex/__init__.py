"""Regular expressions as Rust's regex reads them without Unicode, prepared for matching in linear time."""
