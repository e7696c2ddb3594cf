"""Why a call goes where it goes, or is denied: told from a configuration alone, as the core would decide."""
