"""What people write: the TOML file, judged as a whole, every complaint with its line."""

from fastgw.config.load import load, load_text, with_zone, without_zone
from fastgw.config.values import Config, Listen

__all__ = ["Config", "Listen", "load", "load_text", "with_zone", "without_zone"]
