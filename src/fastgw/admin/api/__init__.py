"""The resources of the admin API, one file each."""
